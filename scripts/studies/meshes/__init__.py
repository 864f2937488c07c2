"""The study of meshes: what stereo, training and both together are worth."""
