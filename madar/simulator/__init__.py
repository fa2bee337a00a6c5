"""The local Fal, its renderer, and the local Google issuer; production cannot import them."""

from madar.settings import is_production_environment

if is_production_environment():
    raise ImportError("The simulator is not part of production")
