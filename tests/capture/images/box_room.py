"""A closed textured room by exact rays: panoramas and photographs that structure from motion takes seconds to solve."""

from functools import cache

import cv2
import numpy as np

from splatkit.geometry.camera import Camera
from tests.room import _texture

SIZE_M = np.array([6.0, 5.0, 3.0])  # the room lies between 0 and that
_TEXELS_PER_M = 64.0


@cache
def _walls(seed: int) -> list[np.ndarray]:
    """Textures of the two walls across x, those across y, floor and ceiling."""
    rng = np.random.default_rng(seed)
    return [_texture(rng) for _ in range(6)]


def render(camera: Camera, pose: np.ndarray, supersampling: int = 2, seed: int = 5) -> np.ndarray:
    """What a camera at T_world_camera [4, 4] sees, [H, W, 3] uint8."""
    n = supersampling
    x, y = np.meshgrid((np.arange(n * camera.width) + 0.5) / n, (np.arange(n * camera.height) + 0.5) / n)
    rays = camera.rays(np.stack([x, y], -1).reshape(-1, 2)) @ pose[:3, :3].T
    colors = look(rays, pose[:3, 3], seed)
    means = colors.reshape(camera.height, n, camera.width, n, 3).mean((1, 3))
    return np.round(means).astype(np.uint8)


def look(rays: np.ndarray, center: np.ndarray, seed: int = 5) -> np.ndarray:
    """Colors [N, 3] in [0, 255] of what lies in directions [N, 3] from a center [3] inside of the room."""
    out = np.zeros((len(rays), 3), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = np.where(rays > 0, (SIZE_M - center) / rays, -center / rays)
    lengths[~np.isfinite(lengths)] = np.inf
    axis = lengths.argmin(1)
    hits = center + lengths.min(1)[:, None] * rays
    for wall in range(6):
        mine = np.flatnonzero((axis == wall // 2) & ((rays[np.arange(len(rays)), axis] > 0) == bool(wall % 2)))
        first, second = [k for k in range(3) if k != wall // 2]
        u, v = (hits[mine, k].astype(np.float32)[:, None] * _TEXELS_PER_M + 17 * wall for k in (first, second))
        if len(mine):
            out[mine] = _sampled(_walls(seed)[wall].astype(np.float32), u, v)
    return out


def _sampled(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """cv2.remap takes 32767 rows at most."""
    parts = [
        cv2.remap(texture, u[a : a + 30_000], v[a : a + 30_000], cv2.INTER_LINEAR)[:, 0]
        for a in range(0, len(u), 30_000)
    ]
    return np.concatenate(parts)


def level_pose(center: tuple[float, float, float], yaw_deg: float) -> np.ndarray:
    """T_world_camera [4, 4] of a level camera; yaw 0 looks along x, 90 along y."""
    yaw = np.deg2rad(yaw_deg)
    forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    right = np.cross(forward, [0.0, 0.0, 1.0])
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, np.array(center)], axis=1)
    return pose
