"""Calibration on simulated rigs and on real poses."""
