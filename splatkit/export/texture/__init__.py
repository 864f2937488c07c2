"""Textures from photographs: unwrapping, visibility, blending."""
