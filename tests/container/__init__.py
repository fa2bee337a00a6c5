"""The container, built and run for real, without Docker and without a registry of images."""
