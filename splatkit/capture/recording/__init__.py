"""One recording of a robot or a handheld scanner: photographs, intrinsics, extrinsics and trajectory taken out."""
