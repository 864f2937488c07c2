"""The ground around a vehicle as one picture from above, each part from the camera that shows it most finely."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.surround.ground import (
    GroundGrid,
    footprint_sizes,
    look_down,
    pyramid,
    see_ground,
    under_vehicle,
)
from splatkit.calibration.surround.rig import SurroundRig
from splatkit.geometry.se3 import Array

_REACH_M = 6.0  # beyond the outermost cameras
_SIDE_PX = 900
_UNSEEN = 32.0  # gray level


def birds_eye(
    rig: SurroundRig, photographs: Sequence[NDArray[np.uint8]], T_ground_vehicle: Array, around: SurroundRig
) -> NDArray[np.uint8]:
    """The picture [H, W, 3]: ahead is up.

    Args:
        rig: where the cameras are.
        photographs: [H, W, 3] of each camera at one moment.
        T_ground_vehicle: [4, 4] at that moment.
        around: the rig whose middle and size say which part is shown, so that two pictures show the same.
    """
    low, high = around.centers[:, :2].min(0) - _REACH_M, around.centers[:, :2].max(0) + _REACH_M
    cell = float((high - low).max()) / _SIDE_PX
    columns, rows = np.ceil((high - low) / cell).astype(int)
    grid = GroundGrid((float(low[0]), float(low[1])), cell, (int(rows), int(columns)))
    places = grid.places().reshape(-1, 2)
    finest = np.full(grid.shape, np.inf)
    out = np.full((*grid.shape, 3), _UNSEEN, np.float32)
    poses = T_ground_vehicle @ rig.T_vehicle_camera
    for camera, T, photograph in zip(rig.cameras, poses, photographs, strict=True):
        _, footprints, inside = see_ground(camera, T, places)
        sizes = np.where(inside, footprint_sizes(footprints), np.inf).reshape(grid.shape)
        own = sizes < finest
        shown = look_down(pyramid(photograph.astype(np.float32)), camera, T, grid)
        out[own], finest = shown[own], np.minimum(sizes, finest)
    out[under_vehicle(places, poses[:, :3, 3]).reshape(grid.shape)] = _UNSEEN
    turned = np.rot90(out, 1)[:, ::-1]  # rows went to the left and columns ahead
    return np.ascontiguousarray(np.clip(turned, 0, 255).astype(np.uint8))
