"""Boards in photographs and in scans: corners, markers, planes, rims, and which candidate is the board."""
