"""Directions in which photographs show that nothing is, and its colors there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from splatkit.io.images import read_mask, read_preview
from splatkit.io.maps.background_maps import read_background_map
from splatkit.io.transforms_json import Frame

_DIRECTIONS = 10_000  # over all of the sphere at most, 2 degrees apart: sky changes slowly
_SURE = 0.5  # least confidence that nothing is there
_MOST_FRAMES = 64
_PREVIEW = 1000  # px, longest side of photographs that are looked at
_MARGIN = 1.6  # distances between directions by which the shell reaches behind what stands before it


@dataclass(frozen=True)
class BackgroundDirections:
    """Where nothing is, as seen from the middle of the cameras."""

    directions: Tensor  # [D, 3] float32 unit, world
    colors: Tensor  # [D, 3] float32 in [0, 1]


def background_directions(frames: Sequence[Frame], most: int) -> BackgroundDirections:
    """Directions, evenly spread, in which evenly chosen frames show nothing, and a little farther.

    What a photograph has transparent, and what its mask excludes, has no color and does not count.

    Args:
        frames: of which some have background maps.
        most: directions, at least 1.

    Raises:
        FileNotFoundError, DatasetError: a photograph, mask or background map cannot be read; names the file.
    """
    chosen = [frame for frame in frames if frame.background_path is not None]
    chosen = chosen[:: max(1, -(-len(chosen) // _MOST_FRAMES))]
    sphere = _spread_directions(_DIRECTIONS)
    weights, sums = np.zeros(len(sphere)), np.zeros((len(sphere), 3))
    for frame in chosen:
        which, confidences, colors = _seen(frame, sphere)
        weights[which] += confidences
        sums[which] += confidences[:, None] * colors
    found = np.nonzero(weights)[0]
    if len(found) == 0:
        return BackgroundDirections(torch.zeros(0, 3), torch.zeros(0, 3))
    directions, nearest = _around(sphere[found], most)
    colors = (sums[found] / weights[found][:, None])[nearest]
    return BackgroundDirections(torch.from_numpy(directions).float(), torch.from_numpy(colors).float())


def _around(found: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Spread directions [D, 3] at and a little beside found ones [F, 3], and the nearest of these [D]."""
    tree, count = cKDTree(found), _DIRECTIONS
    while True:
        sphere = _spread_directions(count)
        distances, nearest = tree.query(sphere)
        kept = distances < _MARGIN * np.sqrt(4 * np.pi / count)
        if kept.sum() <= most or count == 1:
            return sphere[kept], nearest[kept]
        count = max(1, min(int(count * most / kept.sum()), count - 1))


def _seen(
    frame: Frame, sphere: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]:
    """Which directions [D, 3] show nothing in a frame, with the confidences [S] and the colors [S, 3]."""
    assert frame.background_path is not None
    confidences = read_background_map(frame.background_path)
    if frame.mask_path is not None:
        confidences = np.where(read_mask(frame.mask_path), confidences, np.float32(0))
    pixels, inside = frame.camera.project(sphere @ frame.T_world_camera[:3, :3])
    which = np.nonzero(inside)[0]
    shares = pixels[which] / [frame.camera.width, frame.camera.height]
    values, image = _at(confidences, shares), _at(read_preview(frame.image_path, _PREVIEW), shares) / 255
    sure = values >= _SURE
    if image.shape[1] == 4:
        sure &= image[:, 3] == 1
    return which[sure], values[sure], image[sure, :3]


def _at(values: NDArray[Any], shares: NDArray[np.float64]) -> NDArray[Any]:
    """Values [H, W, ...] at places [N, 2] in shares of width and height."""
    height, width = values.shape[:2]
    columns, rows = np.minimum(shares * [width, height], [width - 1, height - 1]).astype(np.int64).T
    return values[rows, columns]


def _spread_directions(count: int) -> NDArray[np.float64]:
    """Unit vectors [count, 3] on a spiral from pole to pole that turns by the golden angle."""
    k = np.arange(count)
    z = 1 - (2 * k + 1) / count
    turn, radius = k * (np.pi * (3 - np.sqrt(5))), np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], -1)
