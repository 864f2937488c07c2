"""Tests of splatkit.calibration."""
