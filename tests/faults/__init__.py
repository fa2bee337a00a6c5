"""What breaks outside must not break a promise: killed workers, a restarted PostgreSQL."""
