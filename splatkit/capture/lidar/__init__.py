"""Photographs and the scans of a LiDAR beside them: one metric world, depth maps, a colored cloud."""
