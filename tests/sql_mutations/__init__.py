"""Queries with one thing wrong in each, and the properties that notice it."""
