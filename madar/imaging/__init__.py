"""Pixels: decoded, measured and encoded in a guarded child process, never in this one."""
