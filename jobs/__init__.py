"""Tasks the queue can run: they parse ids and call one action."""
