"""What the scripts that fit fields and the study of encodings share."""
