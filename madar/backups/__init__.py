"""Backup and restore: one plain tar with all rows and all objects, streamed both ways."""
