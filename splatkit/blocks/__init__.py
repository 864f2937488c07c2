"""Scenes larger than a machine: planned, trained in blocks of space on one machine or many, and merged into one run."""
