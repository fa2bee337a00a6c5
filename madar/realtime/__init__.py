"""Live updates: hear the bell, read what changed, tell who wants to know."""
