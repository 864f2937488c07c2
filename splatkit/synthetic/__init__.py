"""Generated scenes with exactly known cameras, depth, normals and mesh."""
