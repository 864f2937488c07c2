"""Rotations, rigid transforms, camera models and spherical harmonics (torch only, any dtype and device)."""
