"""Rules and shapes: pure, no I/O, no framework."""
