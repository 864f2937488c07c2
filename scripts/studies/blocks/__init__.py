"""The study of the planner of blocks."""
