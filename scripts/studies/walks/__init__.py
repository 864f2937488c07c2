"""How well a walk calibrates a LiDAR and cameras: simulated walks, and the study of them."""
