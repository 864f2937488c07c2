"""LiDAR and cameras from a walk: by how both moved, and by surfaces that both saw; no target."""
