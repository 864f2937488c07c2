"""Readers and writers of images, point clouds, splats, meshes and datasets; outputs appear whole or not at all."""
