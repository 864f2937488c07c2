"""LiDAR-camera extrinsics from boards that both sensors see, without point correspondences."""
