"""What training reads: the dataparser `splatkit-data`, images through their lenses, seeds, measured depth."""
