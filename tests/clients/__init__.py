"""What the clients make of answers that nobody promised."""
