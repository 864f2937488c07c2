"""Readers and writers: images, point clouds, splats, meshes, transforms.json; everything is written to a temporary name, then renamed."""
