"""Poses that another program found: COLMAP, transforms.json, Polycam, Record3D, TUM trajectories."""
