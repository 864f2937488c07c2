"""Triangulated points against the planes of the LiDAR's map: residuals and their derivatives; no extrinsics in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.calibration.walk.recording import Recording
from splatkit.capture.lidar.registration.alignment import Similarity, robust_scale
from splatkit.geometry.se3 import Array

_WIDE_M = 0.6  # from the middle of a piece to where its plane still holds
_BINS = 8  # of the distance to the nearest camera: far points are triangulated worse
_LEAST_IN_BIN = 30


@dataclass(frozen=True)
class SurfaceRows:
    """Of K points with a plane within reach."""

    distances: Array  # [K] m, from the plane
    sigmas: Array  # [K] m, of points so far from the cameras
    J: Array  # [K, 7] by a change of the similarity
    places: Array  # [K, 3] m, world
    normals: Array  # [K, 3]
    chosen: NDArray[np.int64]  # [K] number of each point


class Surfaces:
    """The map's planes, ready to be asked for the nearest."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._tree = cKDTree(recording.planes) if len(recording.planes) else None
        cameras = cKDTree(recording.poses[:, :3, 3])
        points = recording.points
        self._afar = cameras.query(points, workers=-1)[0] if len(points) else np.zeros(0)

    @property
    def size(self) -> float:
        """Of the map, m; 0 without one."""
        planes = self._recording.planes
        if len(planes) == 0:
            return 0.0
        return float(np.linalg.norm(np.ptp(np.quantile(planes, [0.05, 0.95], axis=0), axis=0)))

    def rows(self, similarity: Similarity, center: Array, reach: float) -> SurfaceRows:
        """Points within `reach` (m) of the plane of the nearest piece; `center` [3] is of the similarity's change."""
        moved = similarity.apply(self._recording.points)
        if self._tree is None or len(moved) == 0 or reach == 0:
            empty = np.zeros((0, 3))
            return SurfaceRows(np.zeros(0), np.ones(0), np.zeros((0, 7)), empty, empty, np.zeros(0, np.int64))
        gaps, nearest = self._tree.query(moved, distance_upper_bound=max(reach, _WIDE_M), workers=-1)
        chosen = np.flatnonzero(np.isfinite(gaps))
        n, p = self._recording.normals[nearest[chosen]], moved[chosen]
        distances = np.einsum("ni,ni->n", n, p - self._recording.planes[nearest[chosen]])
        near = np.abs(distances) <= reach
        chosen, n, p, distances = chosen[near], n[near], p[near], distances[near]
        arms = p - center
        J = np.column_stack([np.cross(arms, n), n, np.einsum("ni,ni->n", n, arms)])
        return SurfaceRows(distances, _sigmas(distances, self._afar[chosen]), J, p, n, chosen)


def _sigmas(distances: Array, afar: Array) -> Array:
    """[K] robust deviations of points that are about as far from the cameras."""
    out = np.full(len(distances), robust_scale(distances) if len(distances) else 1.0)
    order = np.argsort(afar, kind="stable")
    for part in np.array_split(order, _BINS):
        if len(part) >= _LEAST_IN_BIN:
            out[part] = robust_scale(distances[part])
    return out
