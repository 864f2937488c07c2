"""Stage 1: images and LiDAR scans become a metric dataset."""
