"""Glue to nerfstudio 1.1.5: guards, trainer, checkpoints, viewer, its cameras."""
