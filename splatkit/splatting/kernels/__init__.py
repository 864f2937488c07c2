"""Kernels of splats: the profiles that are rendered and how training changes their shape; one file a profile."""
