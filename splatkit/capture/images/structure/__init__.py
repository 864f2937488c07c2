"""Structure from motion by COLMAP: features, matches, cameras and points."""
