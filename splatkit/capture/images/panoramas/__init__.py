"""Equirectangular panoramas as rigs of pinholes: which images are such, and how they are cut."""
