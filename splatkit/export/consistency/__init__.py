"""Where photographs of a surface agree: how far each face should move, and how far that is to be believed."""
