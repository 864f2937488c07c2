"""Stage 3: from a trained run to a mesh and to splats that other programs read."""
