"""Methods that train on rays: `simplex-nerf` and `simplex-sdf`."""
