"""Multiresolution encodings: simplex lattices and, as their control, cubic grids."""
