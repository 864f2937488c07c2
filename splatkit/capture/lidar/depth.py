"""Sparse depth maps of images from LiDAR points, each depth with its standard deviation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.geometry.camera import Camera
from splatkit.io.maps.depth_maps import DepthMap

_NEIGHBORS = 16  # points around one that may hide it
_RADIUS_SPACINGS = 1.5  # how far around, in distances to the fourth neighbor: as far as the next scan line
_SPACING_NEIGHBOR = 4
_HIDDEN_SHARE, _HIDDEN_SIGMAS = 0.05, 3.0  # of a depth: what is nearer by both of these lies in front
_HIDING_QUADRANTS = 3
_PLANE_NEIGHBORS = 8
_SLOPE_RIDGE = 0.1  # px^2: points on one scan line say nothing of the slope across it
_WITHIN_PIXEL = 6**-0.5  # px, of a place anywhere in a pixel from its center: x and y together


def project_depth(
    points: NDArray[np.floating],
    camera: Camera,
    range_noise_m: float,
    covariance: NDArray[np.floating] | None = None,
) -> DepthMap:
    """The depth map of a camera; of several points in a pixel the nearest, and none that others hide.

    Deviations count the range noise, the extrinsic, and that a point lies anywhere in its pixel: where depth changes
    from pixel to pixel, as on ground seen at a flat angle or across an edge, that is what matters most.

    Args:
        points: [N, 3] m in the camera's frame (x right, y down, z forward) at the moment of the image.
        camera: of any model but panoramas, whose z says nothing.
        range_noise_m: standard deviation of ranges.
        covariance: [6, 6] of T_camera_lidar's twist: rotation (rad), then translation (m), camera frame.

    Raises:
        ValueError: an argument has another shape or is no number.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ValueError(f"points: expected finite numbers of shape [N, 3], got shape {list(points.shape)}")
    if covariance is not None and np.shape(covariance) != (6, 6):
        raise ValueError(f"covariance: expected shape [6, 6], got {list(np.shape(covariance))}")
    pixels, inside = camera.project(points)
    local, pixels = points[inside], pixels[inside]
    near = _Neighborhood.of(pixels, local[:, 2])
    sigmas = depth_deviations(local, range_noise_m, covariance)
    off_px = pixel_deviations(local, max(camera.fx, camera.fy), covariance)
    sigmas = np.sqrt(sigmas**2 + near.slopes**2 * (_WITHIN_PIXEL**2 + off_px**2))
    seen = ~near.hidden(local[:, 2], sigmas)
    depths, deviations = (np.zeros((camera.height, camera.width), np.float32) for _ in range(2))
    order = np.flatnonzero(seen)[np.argsort(-local[seen, 2], kind="stable")]  # the nearest is written last
    columns, rows = pixels[order].astype(np.int64).T
    depths[rows, columns] = local[order, 2]
    deviations[rows, columns] = sigmas[order]
    return DepthMap(depths, deviations)


def depth_deviations(
    points: NDArray[np.floating], range_noise_m: float, covariance: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    """Standard deviations [N] of the z of points [N, 3] in the camera's frame, to first order.

    A twist (omega, t) moves a point p by omega x p + t, whose z is omega_x p_y - omega_y p_x + t_z.
    """
    along = points[:, 2] / np.maximum(np.linalg.norm(points, axis=-1), 1e-12)
    variances = (range_noise_m * along) ** 2
    if covariance is not None:
        zero = np.zeros(len(points))
        J = np.stack([points[:, 1], -points[:, 0], zero, zero, zero, zero + 1], axis=-1)
        variances = variances + np.einsum("ni,ij,nj->n", J, covariance, J)
    return np.sqrt(variances)


def pixel_deviations(
    points: NDArray[np.floating], focal_px: float, covariance: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    """How far points [N, 3] may lie from their pixels [N], px, to first order; lens distortion does not count."""
    if covariance is None:
        return np.zeros(len(points))
    x, y, z = np.asarray(points, dtype=np.float64).T
    zero, one = np.zeros(len(points)), np.ones(len(points))
    moves_x = np.stack([zero, z, -y, one, zero, zero], axis=-1)
    moves_y = np.stack([-z, zero, x, zero, one, zero], axis=-1)
    moves_z = np.stack([y, -x, zero, zero, zero, one], axis=-1)
    variance = sum(
        np.einsum("ni,ij,nj->n", J, covariance, J)
        for J in (moves_x - (x / z)[:, None] * moves_z, moves_y - (y / z)[:, None] * moves_z)
    )
    return focal_px * np.sqrt(variance / 2) / z


@dataclass(frozen=True)
class _Neighborhood:
    """What lies around each of N points in the image."""

    offsets: NDArray[np.float64]  # [N, K, 2] px
    depths: NDArray[np.float64]  # [N, K]
    within: NDArray[np.bool_]  # [N, K] as near as the next scan line
    slopes: NDArray[np.float64]  # [N] m a pixel, of a plane through the nearest points

    @staticmethod
    def of(pixels: NDArray[np.float64], depths: NDArray[np.float64]) -> "_Neighborhood":
        """Of points at pixels [N, 2] and depths [N]."""
        count = min(_NEIGHBORS + 1, len(pixels))
        if count <= _SPACING_NEIGHBOR:
            nothing = np.zeros((len(pixels), 0))
            return _Neighborhood(nothing[..., None] + np.zeros(2), nothing, nothing > 0, np.zeros(len(pixels)))
        distances, neighbors = cKDTree(pixels).query(pixels, k=count)
        reach = _RADIUS_SPACINGS * np.median(distances[:, _SPACING_NEIGHBOR])
        offsets, around = pixels[neighbors] - pixels[:, None], depths[neighbors]
        slopes = _slopes(offsets[:, 1 : _PLANE_NEIGHBORS + 1], (around - depths[:, None])[:, 1 : _PLANE_NEIGHBORS + 1])
        return _Neighborhood(offsets, around, distances <= reach, slopes)

    def hidden(self, depths: NDArray[np.float64], sigmas: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points [N] lie behind others: nearer ones around them in at least three of four directions.

        Nearer neighbors alone hide nothing: on ground that is seen at a flat angle all those below are much nearer. On
        a generated walk this finds 70 to 80 % of what five scans hide, which is then 0.2 to 2 % of a map, and loses
        0.1 to 1 % of what is seen; two directions would find 93 to 98 % and lose up to 4 % (of a single scan up to
        24 %).
        """
        margin = np.maximum(_HIDDEN_SHARE * depths, _HIDDEN_SIGMAS * sigmas)
        nearer = (self.depths < (depths - margin)[:, None]) & self.within
        quadrant = (self.offsets[..., 0] >= 0).astype(np.int64) + 2 * (self.offsets[..., 1] >= 0)
        covered = np.stack([(nearer & (quadrant == number)).any(1) for number in range(4)])
        return covered.sum(0) >= _HIDING_QUADRANTS


def _slopes(offsets: NDArray[np.float64], rises: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steepness [N] of least-squares planes through rises [N, K] at offsets [N, K, 2]."""
    H = np.einsum("nki,nkj->nij", offsets, offsets) + _SLOPE_RIDGE * np.eye(2)
    gradients = np.linalg.solve(H, np.einsum("nki,nk->ni", offsets, rises)[..., None])[..., 0]
    return np.hypot(*gradients.T)
