"""The photographs' world brought into the LiDAR's: by poses, by surfaces, by depths; and its scale."""
