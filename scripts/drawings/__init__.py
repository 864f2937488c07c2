"""The parts of `scripts/pictures.py`."""
