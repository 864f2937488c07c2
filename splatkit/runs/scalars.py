"""What training wrote down while it ran."""

from pathlib import Path


def read_scalars(config_path: Path, tag: str) -> tuple[list[int], list[float]]:
    """Steps and values that training logged under a tag, e.g. "Train Loss"; of all parts of an interrupted run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(config_path.parent))
    events.Reload()
    if tag not in events.Tags()["scalars"]:
        return [], []
    points = events.Scalars(tag)
    return [point.step for point in points], [point.value for point in points]
