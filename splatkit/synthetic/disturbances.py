"""Does to generated captures what `Defects` say."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

_GAMMA = 2.2  # of display values


def disturbed_poses(poses: Array, sigma_deg: float, sigma_m: float, rng: np.random.Generator) -> Array:
    """T_world_body [N, 4, 4] turned about the body's axes and moved along the world's, by normal noise."""
    out = poses.copy()
    turns = Rotation.from_rotvec(rng.normal(scale=np.deg2rad(sigma_deg), size=(len(poses), 3))).as_matrix()
    out[:, :3, :3] = poses[:, :3, :3] @ turns
    out[:, :3, 3] += rng.normal(scale=sigma_m, size=(len(poses), 3))
    return out


def wrong_extrinsics(T_camera_lidar: Array, angle_deg: float, distance_m: float, rng: np.random.Generator) -> Array:
    """[4, 4] off by exactly this angle and distance, each in a direction at random."""
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
    out = T_camera_lidar.copy()
    out[:3, :3] = Rotation.from_rotvec(np.deg2rad(angle_deg) * axis).as_matrix() @ T_camera_lidar[:3, :3]
    out[:3, 3] += distance_m * direction
    return out


def exposed(colors: NDArray[np.float32], stops: float, blur_px: float) -> NDArray[np.float32]:
    """An image [H, W, 3] in display values, brighter by so many stops of light, and blurred."""
    out = colors
    if blur_px > 0:
        out = gaussian_filter(out, sigma=(blur_px, blur_px, 0))
    return np.clip(out * np.float32(2 ** (stops / _GAMMA)), 0, 1).astype(np.float32)
