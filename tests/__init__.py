"""Tests mirror the tree; through the edge first, on a real PostgreSQL."""
