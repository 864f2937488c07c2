"""Cameras on one body: what is known of them, and which photographs they took at the same time."""
