"""The pictures of README.md and docs/, made from the running product: `make pictures`."""
