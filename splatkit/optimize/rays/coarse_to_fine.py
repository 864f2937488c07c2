"""Levels of an encoding that join training from coarse to fine (Neuralangelo, arXiv 2306.03092, section 3.3).

What is coarse decides where surfaces are while it cannot yet explain each photograph by itself.
"""

from collections.abc import Callable

from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation

from splatkit.encodings import SimplexHashEncoding


def set_levels(encoding: SimplexHashEncoding, first_levels: int, levels_share: float, done: float) -> None:
    """Let an encoding use as many levels as are due.

    Args:
        encoding: changed in place.
        first_levels: that training starts with.
        levels_share: of the run, after which all levels take part.
        done: share of the run that is over.
    """
    total = encoding.levels.num_levels
    first = min(first_levels, total)
    joined = min(done / levels_share, 1.0) if levels_share > 0 else 1.0
    encoding.max_level = first + round(joined * (total - first))


def before_each_step(attributes: TrainingCallbackAttributes, follow: Callable[[float], None]) -> list[TrainingCallback]:
    """A callback that tells `follow` the share of the run that is over; none where nobody knows how long it is."""
    if attributes.trainer is None:
        return []
    total = max(attributes.trainer.config.max_num_iterations, 1)
    return [TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], lambda step: follow(step / total))]
