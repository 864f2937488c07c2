"""A vehicle with fisheyes around it drives over a generated scene's ground."""
