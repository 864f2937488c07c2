"""A textured corner of a room by exact rays: photographs that structure from motion takes a second to solve."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from splatkit.io.images import write_image

TARGET = np.array([0.0, 3.0, 0.8])
_SUPERSAMPLING = 2
_TEXTURE_PX, _TEXELS_PER_M = 1024, 64.0


@dataclass(frozen=True)
class Room:
    """Photographs in a folder and the truth about them."""

    folder: Path  # of the images
    names: tuple[str, ...]
    poses: np.ndarray  # [N, 4, 4] T_world_camera, OpenCV axes, z up
    K: np.ndarray  # [3, 3] px, the first pixel's center at 0.5
    size: tuple[int, int]


def photograph_room(folder: Path, count: int = 8, size: tuple[int, int] = (320, 240)) -> Room:
    """Photographs from an arc before the corner, held level and looking slightly down."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    textures = [_texture(rng) for _ in range(3)]
    width, height = size
    K = np.array([[0.9 * width, 0, width / 2 + 1.5], [0, 0.9 * width, height / 2 - 1.0], [0, 0, 1]])
    poses, names = [], []
    for index, angle in enumerate(np.linspace(-0.6, 0.6, count)):
        center = TARGET + np.array([3.2 * np.sin(angle), -3.2 * np.cos(angle), 0.9 + 0.25 * (index % 2)])
        poses.append(look_at(center, TARGET))
        names.append(f"view_{index:02d}.png")
        write_image(folder / names[-1], _render(poses[-1], K, size, textures))
    return Room(folder, tuple(names), np.stack(poses), K, size)


def look_at(center: np.ndarray, target: np.ndarray) -> np.ndarray:
    """T_world_camera [4, 4] of a camera held level."""
    forward = (target - center) / np.linalg.norm(target - center)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = center
    return pose


def on_surface(points: np.ndarray) -> np.ndarray:
    """Distance [N] of points [N, 3] to the nearest of floor and walls."""
    return np.abs(np.stack([points[:, 2], points[:, 1] - 4.0, points[:, 0] - 2.0])).min(0)


def similarity_errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distances [N] of places [N, 3] to the truth [N, 3] after the best similarity (Umeyama 1991)."""
    a, b = found - found.mean(0), truth - truth.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = np.trace(np.diag(s) @ sign) / (a**2).sum()
    return np.linalg.norm(b - scale * a @ (u @ sign @ vt).T, axis=-1)


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Blobs of all sizes, [H, W, 3] in [0, 255], repeating at its borders."""
    out = np.zeros((_TEXTURE_PX, _TEXTURE_PX, 3))
    for cell, weight in ((4, 0.5), (8, 1.0), (16, 1.0), (64, 0.7)):
        coarse = rng.normal(size=(_TEXTURE_PX // cell, _TEXTURE_PX // cell, 3))
        out += weight * cv2.resize(coarse, (_TEXTURE_PX, _TEXTURE_PX), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 45 * out, 0, 255)


def _render(pose: np.ndarray, K: np.ndarray, size: tuple[int, int], textures: list[np.ndarray]) -> np.ndarray:
    """[H, W, 3] uint8: floor z = 0, walls y = 4 and x = 2."""
    width, height = (_SUPERSAMPLING * n for n in size)
    x, y = np.meshgrid((np.arange(width) + 0.5) / _SUPERSAMPLING, (np.arange(height) + 0.5) / _SUPERSAMPLING)
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(K).T @ pose[:3, :3].T
    center = pose[:3, 3]
    with np.errstate(divide="ignore"):
        lengths = np.stack([-center[2] / rays[..., 2], (4 - center[1]) / rays[..., 1], (2 - center[0]) / rays[..., 0]])
    lengths = np.where(lengths > 0, lengths, np.inf)
    surface, hits = lengths.argmin(0), center + lengths.min(0)[..., None] * rays
    out = np.zeros((height, width, 3))
    for index, (first, second) in enumerate(((0, 1), (0, 2), (1, 2))):
        u, v = (hits[..., axis].astype(np.float32) * _TEXELS_PER_M % (_TEXTURE_PX - 1) for axis in (first, second))
        sampled = cv2.remap(textures[index].astype(np.float32), u, v, cv2.INTER_LINEAR)
        out[surface == index] = sampled[surface == index]
    small = out.reshape(size[1], _SUPERSAMPLING, size[0], _SUPERSAMPLING, 3).mean((1, 3))
    return np.round(small).astype(np.uint8)
