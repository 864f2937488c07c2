"""Scans of LiDARs out of files of any kind: one reader each, chosen by `readers`."""
