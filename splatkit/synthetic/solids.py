"""Solids of generated scenes: closed triangle meshes around the origin of their own frame, z up, in meters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.synthetic.textures import WaveNoise

# Fine enough that the outline of a 20 cm sphere, 2 m away, stays within 0.1 px of a circle at 320x240.
_SEGMENTS = 96
_SAGITTA_M = 2e-4  # how far a cylinder's sides may lie inside the circle: 1/30 px
_MAX_ASPECT = 8.0  # of the quads on a cylinder's side
_TUBE_SEGMENTS = 40


@dataclass(frozen=True)
class Solid:
    """A closed mesh with the normals that shade it; those of curved surfaces differ from the triangles' own."""

    vertices: NDArray[np.float64]  # [V, 3]
    faces: NDArray[np.int64]  # [F, 3] counter-clockwise seen from outside
    corner_normals: NDArray[np.float64]  # [F, 3, 3] unit normal at each corner of each triangle


def make_box(size: tuple[float, float, float]) -> Solid:
    """A box of edge lengths `size`; a plate is a box as well."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return shade_flat(corners * np.asarray(size), split_quads(quads))


def make_stairs(size: tuple[float, float, float], steps: int) -> Solid:
    """Stairs that rise along x in `steps` equal steps, filling the lower half of a box of edge lengths `size`.

    The side is built of square cells, so that no edge ends in the middle of another and the mesh is watertight.
    """
    grid = steps + 1

    def vertex(k: int, j: int, side: int) -> int:
        return (k * grid + j) * 2 + side

    quads = []
    for k in range(steps):
        for j in range(k + 1):
            outline = [(k, j), (k + 1, j), (k + 1, j + 1), (k, j + 1)]  # counter-clockwise seen from -y
            front, back = ([vertex(*corner, side) for corner in outline] for side in (0, 1))
            quads += [tuple(front), tuple(reversed(back))]
            is_rim = (j == 0, k == steps - 1, j == k, j == k)  # below, right, above, left
            for edge in range(4):
                if is_rim[edge]:
                    a, b = outline[edge], outline[(edge + 1) % 4]
                    quads.append((vertex(*a, 0), vertex(*a, 1), vertex(*b, 1), vertex(*b, 0)))
    ks, js, sides = np.meshgrid(np.arange(grid), np.arange(grid), (0, 1), indexing="ij")
    points = np.stack([ks / steps - 0.5, sides - 0.5, js / steps - 0.5], axis=-1).reshape(-1, 3) * np.asarray(size)
    used, faces = np.unique(split_quads(quads), return_inverse=True)
    return shade_flat(points[used], faces.reshape(-1, 3))


def make_cylinder(radius: float, height: float) -> Solid:
    """A cylinder along z; a rod or a disc as well.

    Long rods are cut into rows: float32 distances to triangles a hundred times longer than wide are up to 0.3 mm off.
    """
    count = max(16, int(np.ceil(np.pi / np.arccos(1 - min(1.0, _SAGITTA_M / radius)))))
    angle = np.arange(count) * 2 * np.pi / count
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1)
    rows = int(np.ceil(height / (_MAX_ASPECT * 2 * np.pi * radius / count)))
    levels = np.linspace(-height / 2, height / 2, rows + 1)
    points = np.concatenate([*(ring * radius + [0, 0, z] for z in levels), [[0, 0, levels[0]], [0, 0, levels[-1]]]])
    here, after = np.arange(count), np.roll(np.arange(count), -1)
    quads = np.stack([here, after, after + count, here + count], axis=-1)
    side = split_quads((quads + count * np.arange(rows)[:, None, None]).reshape(-1, 4))
    bottom = np.stack([np.full(count, len(points) - 2), after, here], axis=-1)
    top = np.stack([np.full(count, len(points) - 1), here + rows * count, after + rows * count], axis=-1)
    solid = shade_flat(points, np.concatenate([side, bottom, top]))
    solid.corner_normals[: len(side)] = ring[side % count]
    return solid


def make_sphere(radius: float) -> Solid:
    """A sphere."""
    polar = np.linspace(0, np.pi, _SEGMENTS // 2 + 1)[1:-1]
    angle = np.arange(_SEGMENTS) * 2 * np.pi / _SEGMENTS
    rings = np.stack(
        [
            np.outer(np.sin(polar), np.cos(angle)),
            np.outer(np.sin(polar), np.sin(angle)),
            np.outer(np.cos(polar), angle**0),
        ],
        axis=-1,
    )
    points = np.concatenate([rings.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]])
    here = np.arange(_SEGMENTS)
    after = np.roll(here, -1)
    first_rows = np.arange(len(polar) - 1)[:, None] * _SEGMENTS
    quads = np.stack([v + first_rows for v in (here, here + _SEGMENTS, after + _SEGMENTS, after)], axis=-1)
    north, south, last = len(points) - 2, len(points) - 1, (len(polar) - 1) * _SEGMENTS
    caps = [
        np.stack([np.full_like(here, north), here, after], axis=-1),
        np.stack([np.full_like(here, south), after + last, here + last], axis=-1),
    ]
    faces = np.concatenate([split_quads(quads.reshape(-1, 4)), *caps])
    return Solid(points * radius, faces, points[faces])


def make_torus(radius: float, tube_radius: float, roughness: float, rng: np.random.Generator) -> Solid:
    """A torus around z whose surface is moved along its normal by noise.

    Args:
        radius: from the center to the middle of the tube, m.
        tube_radius: m.
        roughness: standard deviation of the displacement, m; 0 is the smooth torus.
        rng: draws the noise.
    """
    u, v = np.meshgrid(
        np.arange(_SEGMENTS) * 2 * np.pi / _SEGMENTS,
        np.arange(_TUBE_SEGMENTS) * 2 * np.pi / _TUBE_SEGMENTS,
        indexing="ij",
    )
    normals = np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], axis=-1).reshape(-1, 3)
    middle = np.stack([np.cos(u), np.sin(u), np.zeros_like(u)], axis=-1).reshape(-1, 3) * radius
    # Bumps as wide as the tube: their slope stays below 1 at the roughness of a few mm that scenes use.
    displacement = roughness * WaveNoise(rng, tube_radius)(middle + tube_radius * normals)
    points = middle + (tube_radius + displacement[:, None]) * normals
    i, j = np.meshgrid(np.arange(_SEGMENTS), np.arange(_TUBE_SEGMENTS), indexing="ij")
    corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
    quads = np.stack([(a % _SEGMENTS) * _TUBE_SEGMENTS + b % _TUBE_SEGMENTS for a, b in corners], axis=-1)
    return shade_smooth(points, split_quads(quads.reshape(-1, 4)))


def split_quads(quads: Sequence[tuple[int, ...]] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Two triangles for each quad [Q, 4] -> [2 Q, 3]."""
    q = np.asarray(quads)
    return np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]])


def shade_flat(points: NDArray[np.float64], faces: NDArray[np.int64]) -> Solid:
    """Shaded by the triangles' own normals."""
    normals = _face_crosses(points, faces)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return Solid(points, faces, np.repeat(normals[:, None], 3, axis=1))


def shade_smooth(points: NDArray[np.float64], faces: NDArray[np.int64]) -> Solid:
    """Shaded by the area-weighted mean normal around each vertex."""
    sums = np.zeros_like(points)
    crosses = _face_crosses(points, faces)
    for corner in range(3):
        np.add.at(sums, faces[:, corner], crosses)
    return Solid(points, faces, (sums / np.linalg.norm(sums, axis=-1, keepdims=True))[faces])


def _face_crosses(points: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)
