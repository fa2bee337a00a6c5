"""Generated requests over every operation, against the running product."""
