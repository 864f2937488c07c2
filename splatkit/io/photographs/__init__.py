"""Photographs as cameras and phones store them: which kinds are read, HEIF, raw files, and what EXIF says."""
