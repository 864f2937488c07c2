"""A first guess of all poses without iterating: boards by their corners, the extrinsic by the boards' planes."""

import cv2
import numpy as np

from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import corners_seen
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, compose

_LEAST_CORNERS = 4
MIN_SPREAD = 0.05  # singular value of the stacked normals, by the root of their count; parallel boards have 0


class DegenerateViewsError(CalibrationRefusedError):
    """The views cannot determine the extrinsic; the message says what to add."""


def board_poses(views: list[Array], target: BoardTarget, camera: Camera) -> Array:
    """T_camera_board [N, 4, 4] of each view by its corners [columns * rows, 2] alone, NaN where unseen."""
    poses = [_board_pose(index, corners, target, camera) for index, corners in enumerate(views)]
    return np.stack(poses) if poses else np.zeros((0, 4, 4))


def _board_pose(index: int, seen: Array, target: BoardTarget, camera: Camera) -> Array:
    where = corners_seen(seen)
    rays, corners = camera.tangents(seen[where]), target.corners()[where]
    shown = np.isfinite(rays).all(1)  # not beyond the fold of the lens
    if shown.sum() < _LEAST_CORNERS:
        raise DegenerateViewsError(f"view {index}: its corners lie where the camera model sees nothing")
    rays, corners = rays[shown], corners[shown]
    undistorted = np.zeros(4)
    found, rotation, translation = cv2.solvePnP(corners, rays, np.eye(3), undistorted, flags=cv2.SOLVEPNP_IPPE)
    if not found:
        raise DegenerateViewsError(f"view {index}: its corners fit no pose of the board; do they lie on a line?")
    rotation, translation = cv2.solvePnPRefineLM(corners, rays, np.eye(3), undistorted, rotation, translation)
    return compose(np.asarray(cv2.Rodrigues(rotation)[0], float), np.asarray(translation, float)[:, 0])


def extrinsic_from_planes(views: list[Array], T_camera_board: Array, least_width: float) -> Array:
    """T_camera_lidar [4, 4] that lays the planes of each view's LiDAR points [P, 3] onto the boards.

    The rotation turns the normals onto each other (Wahba's problem), the translation is what then fits the distances.

    Args:
        views: of each board.
        T_camera_board: [N, 4, 4].
        least_width: standard deviation of points across the line that fits them best, m; where it is less, as of a
            single scan line, they tell no plane and are left out.

    Raises:
        DegenerateViewsError: too few boards, or all (nearly) parallel to one line.
    """
    if len(views) < 3:
        raise DegenerateViewsError(f"planes of at least 3 poses of the board are needed, got {len(views)}")
    wide = [index for index, points in enumerate(views) if _width(points) >= least_width]
    if len(wide) < 3:
        raise DegenerateViewsError(
            f"planes of at least 3 poses of the board are needed, but returns lie on about one line in "
            f"{len(views) - len(wide)} of {len(views)} poses: hold it nearer, so that several scan lines cross it"
        )
    views, T_camera_board = [views[index] for index in wide], T_camera_board[wide]
    lidar = [_plane(points) for points in views]
    normals_lidar, offsets_lidar = np.stack([n for n, _ in lidar]), np.array([d for _, d in lidar])
    normals, offsets = facing_planes(T_camera_board)
    # Noise spreads normals too: the sensor that sees them less spread is right.
    both = [np.linalg.svd(seen, compute_uv=False) / np.sqrt(len(seen)) for seen in (normals, normals_lidar)]
    spread = np.minimum(*both)
    if spread[2] < MIN_SPREAD:
        what = "are all parallel" if spread[1] < MIN_SPREAD else "turn about one axis only"
        raise DegenerateViewsError(
            f"the boards {what} (spread of their normals {spread[1]:.3f}, {spread[2]:.3f}; {MIN_SPREAD} is needed): "
            "add poses tilted up, down, left and right by 30 degrees and more"
        )
    u, _, vt = np.linalg.svd(normals.T @ normals_lidar)
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    translation = np.linalg.lstsq(normals, offsets - offsets_lidar, rcond=None)[0]
    return compose(rotation, translation)


def facing_planes(T_camera_board: Array) -> tuple[Array, Array]:
    """Unit normals [N, 3] of boards toward the sensor, and normal . point of each, negative, [N]."""
    normals, origins = T_camera_board[:, :3, 2], T_camera_board[:, :3, 3]
    offsets = (normals * origins).sum(1)
    sign = np.where(offsets > 0, -1.0, 1.0)
    return normals * sign[:, None], offsets * sign


def _width(points: Array) -> float:
    """Standard deviation of points [P, 3] along their second axis, m."""
    return float(np.linalg.svd(points - points.mean(0), compute_uv=False)[1] / np.sqrt(len(points)))


def _plane(points: Array) -> tuple[Array, float]:
    center = points.mean(0)
    normal = np.linalg.svd(points - center, full_matrices=False)[2][2]
    offset = float(normal @ center)
    return (-normal, -offset) if offset > 0 else (normal, offset)
