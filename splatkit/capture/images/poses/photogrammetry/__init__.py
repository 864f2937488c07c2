"""Cameras that programs of photogrammetry placed: Metashape, RealityScan, AliceVision, OpenMVG, OPF, Bundler."""
