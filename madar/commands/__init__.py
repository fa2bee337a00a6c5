"""One module per command group; each imports what it needs when it runs, so help is instant."""
