"""What stereo found of a photograph beside what was measured of it, and in which unit depths are stored."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.dataset import CapturedFrame
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, LARGEST_DEPTH, DepthMap
from splatkit.stereo.carrying import ViewSurface

_UNITS_A_SIGMA = 3.0  # so that rounding adds less than 1 % to a deviation
_HELD = (99.0, 100.0)  # percent of the depths that the format must hold, and that it should
_ROOM = 1.06  # a photograph's pixels may be that much deeper than those that were compared


def combine_depths(measured: DepthMap | None, stereo: DepthMap) -> DepthMap:
    """Measured depths [H, W] where there are any, else those of stereo; each with its own deviation.

    Raises:
        ValueError: the two are of different sizes.
    """
    if measured is None:
        return stereo
    if measured.depths.shape != stereo.depths.shape:
        raise ValueError(f"stereo: expected depths {list(measured.depths.shape)}, got {list(stereo.depths.shape)}")
    there = measured.depths > 0
    return DepthMap(np.where(there, measured.depths, stereo.depths), np.where(there, measured.sigmas, stereo.sigmas))


def add_surface(frame: CapturedFrame, surface: ViewSurface) -> CapturedFrame:
    """The frame with what stereo found, where nothing was known of it before."""
    normals = surface.normals
    if frame.normals is not None:
        normals = np.where(frame.normals.any(-1, keepdims=True), frame.normals, normals).astype(np.float32)
    background = frame.background
    if background is None and surface.background.any():
        background = surface.background
    depth = combine_depths(frame.depth, DepthMap(surface.depths, surface.sigmas))
    return replace(frame, depth=depth, normals=normals, background=background)


def choose_depth_unit(depths: NDArray[np.floating], sigmas: NDArray[np.floating]) -> float:
    """The unit in which 16 bits hold depths of a world whose scale is arbitrary.

    1 mm where that serves. Else as fine as the farthest depth allows; where a typical deviation then has less than
    three units, up to 1 % of the depths are given up for that, the farthest.

    Args:
        depths: [K] of all photographs.
        sigmas: [K] their deviations.
    """
    if len(depths) == 0:
        return DEPTH_UNIT_M
    coarsest = float(np.median(sigmas)) / _UNITS_A_SIGMA
    most, all_of_them = (float(value) * _ROOM / LARGEST_DEPTH for value in np.percentile(depths, _HELD))
    if all_of_them <= DEPTH_UNIT_M <= coarsest:
        return DEPTH_UNIT_M
    return min(max(coarsest, most), all_of_them)
