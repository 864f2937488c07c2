"""What stereo found of a photograph beside what was measured of it, and in which unit depths are stored."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.dataset import CapturedFrame
from splatkit.io.maps.depth_maps import DEPTH_UNIT_M, LARGEST_DEPTH, DepthMap
from splatkit.stereo.carrying import ViewSurface

_UNITS_A_SIGMA = 3.0  # so that rounding adds less than 1 % to a deviation
_HELD = (100.0, 99.9, 99.0)  # percent of the depths that the format must hold, the first where that can be


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

    1 mm where that serves. Else as fine as the farthest depth allows. Where a typical deviation then has less than
    three units, up to 1 % of the depths are given up, the farthest.

    Args:
        depths: [K] of all photographs.
        sigmas: [K] their deviations.
    """
    if len(depths) == 0:
        return DEPTH_UNIT_M
    coarsest = float(np.median(sigmas)) / _UNITS_A_SIGMA
    finest = [float(value) / LARGEST_DEPTH for value in np.percentile(depths, _HELD)]
    if finest[0] <= DEPTH_UNIT_M <= coarsest:
        return DEPTH_UNIT_M
    return _rounded_up(next((unit for unit in finest if unit <= coarsest), finest[-1]))


def _rounded_up(value: float) -> float:
    """To three digits."""
    digit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float(f"{np.ceil(value / digit) * digit:.3g}")
