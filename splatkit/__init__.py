"""splatkit: from photographs and LiDAR to a mesh (capture, optimize, export)."""

__version__ = "0.1.0"
