"""Rotations, rigid transforms, cameras and their lenses, spherical harmonics: what every room stands on."""
