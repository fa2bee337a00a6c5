"""How often somebody may do something, and what may be a little old."""
