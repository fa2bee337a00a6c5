"""What we do not own: Fal, Google, the object storage."""
