"""Madar: a sentence or a photo becomes a 3D picture with a transparent background."""

__version__ = "0.1.0"
