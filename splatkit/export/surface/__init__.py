"""From rendered views to a triangle mesh: fusion, refinement, cleaning, decimation, vertex colors."""
