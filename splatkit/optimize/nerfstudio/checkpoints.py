"""Checkpoints of a run: `step-000000123.ckpt` files in one folder, each complete or not there."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from splatkit.errors import SplatkitError
from splatkit.optimize.nerfstudio.console import warn

_NAME = re.compile(r"step-(\d+)\.ckpt")
_KEPT = 2  # the newest, and one to fall back to if a disk fault damages it


class CheckpointError(SplatkitError):
    """A checkpoint cannot be used; the message names the file."""


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a folder, newest first."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder of checkpoints")
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def write_checkpoint(folder: Path, step: int, state: Mapping[str, Any], keep_all: bool) -> Path:
    """Write a checkpoint, then drop all but the newest two (unless keep_all).

    The host's tools take the newest file of the folder, so a half-written one must never be in it: it is written
    beside the folder and renamed into it.

    Raises:
        OSError: it cannot be written; nothing is left behind, and older checkpoints stay.
    """
    path = folder / f"step-{step:09d}.ckpt"
    partial = folder.parent / f".{folder.name}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(dict(state), partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        if partial.exists():
            partial.unlink()
        raise OSError(f"{path}: the checkpoint cannot be written ({error}); is the disk full or read-only?") from error
    if not keep_all:
        for old in list_checkpoints(folder)[_KEPT:]:
            old.unlink()
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint on the CPU. Tensors and plain values only: a checkpoint from elsewhere cannot run code."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives raise many types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not a readable checkpoint, perhaps cut short ({reason})") from error
    if not isinstance(state, dict) or not {"step", "pipeline"} <= state.keys():
        raise CheckpointError(f"{path}: not a checkpoint of a run (it has no 'step' and 'pipeline')")
    return state


def read_newest_checkpoint(folder: Path) -> tuple[dict[str, Any], Path]:
    """The newest checkpoint that can be read, and its path; newer ones that cannot are named in warnings."""
    candidates = list_checkpoints(folder)
    if not candidates:
        raise CheckpointError(f"{folder}: holds no checkpoint (step-*.ckpt)")
    unread = list[CheckpointError]()
    for path in candidates:
        try:
            state = read_checkpoint(path)
        except CheckpointError as error:
            unread.append(error)
            continue
        for damage in unread:
            warn(f"{damage}; taking the one before it, {path.name}")
        return state, path
    raise unread[-1]
