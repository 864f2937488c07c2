"""Where cameras around a vehicle sit, from the ground that neighbors see: no target, no clicks."""
