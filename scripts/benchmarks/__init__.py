"""Families of scripts/benchmark.py."""
