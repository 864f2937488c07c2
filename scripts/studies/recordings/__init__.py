"""A recording of a robot written from a synthetic walk, and the study that goes the whole way with it."""
