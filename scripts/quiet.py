"""Training whose tables of progress do not fill what a study or a benchmark prints."""

import contextlib
import os
from pathlib import Path

from nerfstudio.engine.trainer import TrainerConfig

from splatkit.optimize.train import Trained, train_config


def train_quietly(config: TrainerConfig) -> Trained:
    """`train_config` without what it prints; errors and warnings are still seen."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        return train_config(config)
