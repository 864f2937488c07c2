"""Dense stereo on generated scenes, scored against their truth."""
