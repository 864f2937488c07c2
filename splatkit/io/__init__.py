"""Readers and writers: images, point clouds, splats, meshes, transforms.json; each written whole or not at all."""
