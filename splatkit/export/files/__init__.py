"""Writers of exports: meshes, splats, points and COLMAP models, in the frame that is asked for."""
