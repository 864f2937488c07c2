"""From photographs alone: choosing frames, structure from motion, given poses, and datasets of what was found."""
