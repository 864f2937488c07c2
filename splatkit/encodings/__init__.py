"""Multiresolution encodings: simplex lattices and, as their control, cubic grids."""

from splatkit.encodings.hash_encoding import SimplexHashEncoding

__all__ = ["SimplexHashEncoding"]
