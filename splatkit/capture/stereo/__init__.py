"""Depths by stereo for photographs whose poses are known, as part of a dataset."""
