"""How the world of photographs lies in the world of a LiDAR: rotation, translation and scale, with deviations.

Two independent measurements are taken and must agree. *Poses*: where the cameras were, from the LiDAR's trajectory and
the extrinsics, against where structure from motion has them. *Surfaces*: triangulated points against the LiDAR's map,
point to plane, which needs no extrinsics.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.voxel_map import VoxelCloud
from splatkit.errors import CaptureRefusedError
from splatkit.geometry.se3 import cross_matrix

Array = NDArray[np.float64]

_ITERATIONS = 40
_CONVERGED = 1e-7
_HUBER = 1.345
_LEAST_PAIRS = 200  # of points and planes
_CELLS = 12  # along the longest side: errors of neighbors are alike, those of cells hardly
_LEAST_CELLS = 8
_REACH_START, _REACH_END = 0.05, 0.01  # of the map's size: how far a point may be from its plane, first and last
_OPEN = 0.003  # smallest eigenvalue of the normal equations a point; a plane with noisy normals has 0.001
_LEAST_SHARE = 0.3  # of points within reach at the end
_MAD = 1.4826
# Deviations that no comparison is better than: rad, m, share of the scale.
_FLOOR = np.array([1e-3] * 3 + [0.01] * 3 + [1e-3])
_CONTRADICTION = 100.0  # chi-square of 7
_GRAVE_SCALE = 0.02


class UndeterminedError(CaptureRefusedError):
    """Surfaces alone do not tell how both worlds lie; poses may."""


@dataclass(frozen=True)
class Similarity:
    """p_lidar = scale * rotation p_images + translation."""

    scale: float
    rotation: Array  # [3, 3]
    translation: Array  # [3] m

    def apply(self, points: Array) -> Array:
        """Points [N, 3]."""
        return self.scale * points @ self.rotation.T + self.translation

    def apply_to_poses(self, poses: Array) -> Array:
        """T_lidar_camera [N, 4, 4] of T_images_camera; lengths in the camera's frame become meters."""
        out = poses.copy()
        out[:, :3, :3] = self.rotation @ poses[:, :3, :3]
        out[:, :3, 3] = self.apply(poses[:, :3, 3])
        return out

    def matrix(self) -> Array:
        """[4, 4]."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.scale * self.rotation, self.translation
        return out


@dataclass(frozen=True)
class Alignment:
    """A similarity and how well it is known.

    Attributes:
        similarity: the result.
        covariance: [7, 7] of a change about `center`: rotation (rad), translation (m), log of the scale.
        center: [3] in the LiDAR's world, m.
        rms: of what it was fitted to: m across surfaces, or m between positions.
        share: of points or poses that fit.
        method: "surfaces", "poses" or "depth ratios".
    """

    similarity: Similarity
    covariance: Array
    center: Array
    rms: float
    share: float
    method: str

    @property
    def scale_sd(self) -> float:
        """Standard deviation of the scale, as a share of it."""
        return float(np.sqrt(self.covariance[6, 6]))

    def about(self, center: Array) -> Array:
        """The covariance [7, 7] of the same change about another center [3]."""
        arm = center - self.center
        J = np.eye(7)
        J[3:6, :3], J[3:6, 6] = -cross_matrix(arm), arm
        return J @ self.covariance @ J.T


def align_surfaces(
    points: Array, cloud: VoxelCloud, normals: Array, flat: NDArray[np.bool_], start: Similarity
) -> Alignment:
    """Points of photographs against planes of the LiDAR's map, from a start that is good to a few percent.

    Each step pairs points with the nearest flat place of the map, within a reach that shrinks, and solves for seven
    numbers with Huber's weights. The covariance is that of solutions without single blocks of space (jackknife).

    Args:
        points: [N, 3] in the images' world.
        cloud: map in the LiDAR's world.
        normals: [M, 3] of its points.
        flat: [M] where they are meaningful.
        start: first guess.

    Raises:
        UndeterminedError: there are too few points or surfaces, or they leave a direction open.
        CaptureRefusedError: most points lie far from all surfaces.
    """
    planes, plane_normals = cloud.points[flat], normals[flat]
    if len(points) < _LEAST_PAIRS or len(planes) < _LEAST_PAIRS:
        raise UndeterminedError(
            f"alignment: {len(points)} points of photographs and {len(planes)} flat places of the LiDAR's map; "
            f"at least {_LEAST_PAIRS} of each are needed"
        )
    tree = cKDTree(planes)
    size = float(np.linalg.norm(np.ptp(np.quantile(planes, [0.05, 0.95], axis=0), axis=0)))
    current = start
    reaches = np.geomspace(_REACH_START, _REACH_END, _ITERATIONS // 2) * size
    for step in range(_ITERATIONS):
        reach = float(reaches[min(step, len(reaches) - 1)])
        moved = current.apply(points)
        residuals, rows, chosen = _plane_rows(moved, tree, planes, plane_normals, reach)
        if len(chosen) < _LEAST_PAIRS:
            break
        weights = _huber(residuals)
        arms = moved[chosen] - moved.mean(0)
        change = _solve(rows, residuals, weights, float(np.sqrt((arms**2).sum(1).mean())))
        current = changed(current, change, moved.mean(0))
        if step > len(reaches) and np.abs(change).max() < _CONVERGED:
            break
    moved = current.apply(points)
    reach = float(reaches[-1])
    residuals, rows, chosen = _plane_rows(moved, tree, planes, plane_normals, reach)
    share = len(chosen) / len(points)
    if len(chosen) < _LEAST_PAIRS or share < _LEAST_SHARE:
        raise CaptureRefusedError(
            f"alignment: only {100 * share:.0f} % of the photographs' points lie within {reach:.2g} m of the LiDAR's "
            "surfaces: do photographs and scans show the same place, and is the first guess right?"
        )
    covariance = _jackknife(rows, residuals, _huber(residuals), moved[chosen])
    return Alignment(current, covariance, moved.mean(0), robust_scale(residuals), share, "surfaces")


def _plane_rows(
    moved: Array, tree: cKDTree, planes: Array, normals: Array, reach: float
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Distances [K] from planes within reach, their derivatives [K, 7], and which points [K] they are of."""
    distances, nearest = tree.query(moved, distance_upper_bound=reach, workers=-1)
    chosen = np.flatnonzero(np.isfinite(distances))
    n, p = normals[nearest[chosen]], moved[chosen]
    residuals = np.einsum("ni,ni->n", n, p - planes[nearest[chosen]])
    arms = p - moved.mean(0)
    rows = np.column_stack([np.cross(arms, n), n, np.einsum("ni,ni->n", n, arms)])
    return residuals, rows, chosen


def changed(similarity: Similarity, change: Array, center: Array) -> Similarity:
    """Turned, moved and scaled about a center [3] of the LiDAR's world."""
    R = Rotation.from_rotvec(change[:3]).as_matrix()
    factor = float(np.exp(change[6]))
    translation = factor * R @ (similarity.translation - center) + center + change[3:6]
    return Similarity(factor * similarity.scale, R @ similarity.rotation, translation)


def _solve(rows: Array, residuals: Array, weights: Array, reach: float) -> Array:
    """The change [7]; refused where the surfaces do not determine it."""
    units = np.array([1 / reach] * 3 + [1.0] * 3 + [1 / reach])  # so that all columns are lengths of like size
    scaled = rows * units
    H = (scaled * weights[:, None]).T @ scaled / weights.sum()
    if np.linalg.eigvalsh(H)[0] < _OPEN:
        raise UndeterminedError(
            "alignment: the surfaces leave a direction, a rotation or the scale open; photograph more of the "
            "scene's sides, or give a trajectory"
        )
    g = (scaled * weights[:, None]).T @ residuals / weights.sum()
    return np.asarray(units * np.linalg.solve(H, -g), dtype=np.float64)


def _jackknife(rows: Array, residuals: Array, weights: Array, places: Array) -> Array:
    """Covariance [7, 7] from how the solution moves when blocks of space are left out, never below that of noise."""
    low, high = places.min(0), places.max(0)
    cells = np.floor((places - low) / (np.max(high - low) / _CELLS + 1e-12)).astype(np.int64)
    _, group = np.unique(cells, axis=0, return_inverse=True)
    group = group.reshape(-1)
    count = int(group.max()) + 1
    H_all = (rows * weights[:, None]).T @ rows
    noise = np.linalg.pinv(H_all) * robust_scale(residuals) ** 2
    if count < _LEAST_CELLS:
        return noise * len(places) / count
    changes = []
    for index in range(count):
        out = group == index
        H = H_all - (rows[out] * weights[out, None]).T @ rows[out]
        g = (rows[~out] * weights[~out, None]).T @ residuals[~out]
        changes.append(-np.linalg.lstsq(H, g, rcond=None)[0])
    spread = np.array(changes) - np.mean(changes, axis=0)
    jackknife: Array = (count - 1) / count * (spread.T @ spread)
    return jackknife + noise


def robust_scale(residuals: Array) -> float:
    """Standard deviation of a bell curve with the same median of absolute values."""
    return max(float(_MAD * np.median(np.abs(residuals))), 1e-12)


def _huber(residuals: Array) -> Array:
    limit = _HUBER * robust_scale(residuals)
    return limit / np.maximum(np.abs(residuals), limit)


def agreed(poses: Alignment, surfaces: Alignment) -> Alignment:
    """Both measurements weighted by what is known of them.

    Where they differ by more than their deviations say, as when structure from motion is bent, the covariance grows by
    as much (Birge's ratio).

    Raises:
        CaptureRefusedError: they contradict each other.
    """
    center = surfaces.center
    difference = _between(surfaces.similarity, poses.similarity, center)
    both = poses.about(center) + surfaces.covariance
    distance = float(difference @ np.linalg.solve(both + np.diag(_FLOOR**2), difference))
    if distance > _CONTRADICTION and np.abs(difference[6]) > _GRAVE_SCALE:
        raise CaptureRefusedError(
            f"alignment: by poses the scale is {poses.similarity.scale:.5g}, by surfaces "
            f"{surfaces.similarity.scale:.5g}: trajectory, times or extrinsics are wrong, or the scene changed"
        )
    P, S = np.linalg.inv(poses.about(center)), np.linalg.inv(surfaces.covariance)
    change = np.linalg.solve(P + S, P @ difference)
    similarity = changed(surfaces.similarity, change, center)
    birge = max(1.0, float(difference @ np.linalg.solve(both, difference)) / len(difference))
    covariance = birge * np.linalg.inv(P + S)
    return Alignment(similarity, covariance, center, surfaces.rms, surfaces.share, "surfaces and poses")


def _between(first: Similarity, second: Similarity, center: Array) -> Array:
    """The change [7] about a center that leads from the first to the second."""
    R = second.rotation @ first.rotation.T
    factor = second.scale / first.scale
    at_center = (center - first.translation) @ first.rotation / first.scale
    shift = second.scale * second.rotation @ at_center + second.translation - center
    return np.concatenate([Rotation.from_matrix(R).as_rotvec(), shift, [np.log(factor)]])
