"""Differentiable surfaces of scalar fields."""

from splatkit.isosurface.flexicubes import FlexiCubes
from splatkit.isosurface.surface import Surface

__all__ = ["FlexiCubes", "Surface"]
