"""The peer: OpenCV's semi-global matching of rectified pairs, with a check from right to left.

Its disparities are drawn to whole pixels: between two of them they are wrong by up to 0.3 px, on exact pictures, too.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.stereo.pixel_grid import pixel_centers

_BLOCK = 5  # px
_MOST_DIFFERENCE = 1.0  # px between both directions
_STEPS = 16.0  # of OpenCV's disparities in a pixel
_NO_SKEW = 1e-9
_NO_DISTORTION = np.zeros(4)


@dataclass(frozen=True, eq=False)
class Rectified:
    """A pair of pinholes turned so that rows meet."""

    maps: list[tuple[NDArray[np.float32], NDArray[np.float32]]]  # where the pixels of both come from
    rotation: NDArray[np.float64]  # [3, 3] from the first camera to the first that is turned
    P: NDArray[np.float64]  # [3, 4] of the first that is turned, pixels counted from the first one's center
    parallax: float  # disparity at depth 1, px; negative where the second camera stands to the left
    shift: float  # disparity at infinity, px


@dataclass(frozen=True, eq=False)
class PeerView:
    """Depths of a view by one pair."""

    depths: NDArray[np.float32]  # [h, w] z, 0 where there is none
    cpu_s: float


def match_pair(
    grays: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    cameras: tuple[PosedCamera, PosedCamera],
    depth_range: tuple[float, float],
) -> PeerView | None:
    """Depths of the first view; None where the second stands above or below it, which OpenCV does not match."""
    started = time.process_time()
    pair = _rectified(*cameras)
    if pair is None:
        return None
    first, second = (
        np.asarray(cv2.remap(gray, *maps, cv2.INTER_LINEAR), np.uint8)
        for gray, maps in zip(grays, pair.maps, strict=True)
    )
    shift = pair.shift
    if pair.parallax < 0:
        first, second, shift = np.ascontiguousarray(first[:, ::-1]), np.ascontiguousarray(second[:, ::-1]), -shift
    turned = _checked(first, second, abs(pair.parallax), shift, depth_range)
    depths = _at_pixels(turned[:, ::-1] if pair.parallax < 0 else turned, pair, cameras[0])
    return PeerView(depths, time.process_time() - started)


def match_views(
    grays: Sequence[NDArray[np.uint8]],
    cameras: Sequence[PosedCamera],
    sources: Sequence[Sequence[int]],
    depth_ranges: NDArray[np.float64],
) -> dict[int, PeerView]:
    """Every view with the best of its sources that stands beside it."""
    found = {}
    for view, others in enumerate(sources):
        nearest, farthest = (float(depth) for depth in depth_ranges[view])
        for other in others:
            pair = match_pair((grays[view], grays[other]), (cameras[view], cameras[other]), (nearest, farthest))
            if pair is not None:
                found[view] = pair
                break
    return found


def _rectified(first: PosedCamera, second: PosedCamera) -> Rectified | None:
    T = second.T_camera_world @ first.T_world_camera
    size = (first.camera.width, first.camera.height)
    Ks = [_from_centers(posed.camera.K) for posed in (first, second)]
    R1, R2, P1, P2, *_ = cv2.stereoRectify(
        Ks[0], _NO_DISTORTION, Ks[1], _NO_DISTORTION, size, T[:3, :3], T[:3, 3], flags=0, alpha=-1
    )
    if abs(P2[1, 3]) > _NO_SKEW:
        return None
    found = [
        cv2.initUndistortRectifyMap(K, _NO_DISTORTION, R, P, size, cv2.CV_32FC1)
        for K, R, P in zip(Ks, (R1, R2), (P1, P2), strict=True)
    ]
    maps = [(np.asarray(x, np.float32), np.asarray(y, np.float32)) for x, y in found]
    return Rectified(maps, np.asarray(R1), np.asarray(P1), -float(P2[0, 3]), float(P1[0, 2] - P2[0, 2]))


def _checked(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    parallax: float,
    shift: float,
    depth_range: tuple[float, float],
) -> NDArray[np.float32]:
    """z-depths [h, w] in the first turned camera that the second image confirms; 0 elsewhere."""
    nearest, farthest = depth_range
    least = int(np.floor(parallax / farthest + shift))
    count = int(np.ceil((parallax / nearest + shift - least) / 16)) * 16
    penalty = 8 * _BLOCK**2  # as OpenCV's documentation advises; four times that for jumps
    matcher = cv2.StereoSGBM.create(
        minDisparity=least,
        numDisparities=count,
        blockSize=_BLOCK,
        P1=penalty,
        P2=4 * penalty,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
    )
    found = matcher.compute(first, second) / np.float32(_STEPS)
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in (second, first)]
    back = (matcher.compute(*mirrored) / np.float32(_STEPS))[:, ::-1]
    rows, columns = np.mgrid[: found.shape[0], : found.shape[1]]
    there = np.round(columns - found).astype(np.int64)
    inside = (there >= 0) & (there < found.shape[1])
    same = np.abs(back[rows, np.where(inside, there, 0)] - found) <= _MOST_DIFFERENCE
    kept = inside & same & (found >= least) & (found > shift)
    return np.where(kept, np.float32(parallax) / np.where(kept, found - np.float32(shift), 1), 0).astype(np.float32)


def _at_pixels(turned: NDArray[np.float32], pair: Rectified, posed: PosedCamera) -> NDArray[np.float32]:
    """z-depths [h, w] at the pixels of the camera before it was turned."""
    camera = posed.camera
    pixels = pixel_centers(camera, slice(0, camera.height))
    rays = camera.unproject(pixels, np.ones(len(pixels))) @ pair.rotation.T
    places = np.round((rays / rays[:, 2:]) @ pair.P[:, :3].T)[:, :2].astype(np.int64)
    inside = (places >= 0).all(1) & (places < turned.shape[::-1]).all(1)
    x, y = np.where(inside[:, None], places, 0).T
    depths = np.where(inside, turned[y, x], 0) / rays[:, 2]
    return depths.reshape(camera.height, camera.width).astype(np.float32)


def _from_centers(K: NDArray[np.float64]) -> NDArray[np.float64]:
    """A camera matrix as OpenCV counts pixels."""
    return K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
