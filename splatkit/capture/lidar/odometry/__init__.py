"""The path of a LiDAR from its scans alone."""
