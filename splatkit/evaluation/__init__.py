"""Image and geometry metrics, one definition each."""
