"""The method `ges`: model, settings, pipeline, losses on depth."""
