"""Dense stereo of photographs whose poses are known: which views look at what, and how deep each pixel lies."""
