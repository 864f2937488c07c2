"""What training minimizes: photographs, measured depths and normals, and the shapes of splats."""
