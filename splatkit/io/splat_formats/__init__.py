"""Splats in the files of other programs, each of which holds Gaussians with spherical harmonics and nothing else."""
