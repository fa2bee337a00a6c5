"""The edge: one file a resource; who asks, parse, check, do, answer."""
