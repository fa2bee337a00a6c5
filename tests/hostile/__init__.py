"""Thousands of hostile files, made from a seed, through the real upload of a real process."""
