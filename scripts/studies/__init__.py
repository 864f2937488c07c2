"""The parts of `scripts/study_kernels.py`."""
