"""Solids of scenes outdoors: hilly ground and trees of branches and leaves, much thinner than a pixel from afar."""

import numpy as np
from numpy.typing import NDArray

from splatkit.synthetic.solids import Solid, shade_flat, shade_smooth, split_quads
from splatkit.synthetic.textures import WaveNoise

_CELLS = 110  # of a terrain along each side
_EVEN_M, _EVEN_WAVELENGTH_M = 0.04, 3.0  # bumps of what counts as even
_THICKNESS_M = 1.0  # of the ground

_SIDES = 6  # of a branch
_LEAVES = 420
_LEAF_M = (0.22, 0.13, 0.006)  # length, width and thickness


def make_terrain(radius: float, height: float, flat_radius: float, rng: np.random.Generator) -> Solid:
    """Ground on a square of half edge `radius`: all but even in the middle, hills beyond.

    Args:
        radius: m, half the edge.
        height: m, mean height of the hills at the border above the middle.
        flat_radius: m, where hills begin.
        rng: draws the shape.
    """
    # Cells grow outward: near ones are those that a beam's width lets tell apart.
    steps = np.linspace(-1, 1, _CELLS + 1)
    axis = radius * (0.35 * steps + 0.65 * np.sign(steps) * np.abs(steps) ** 2.2)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    places = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    outside = np.clip((np.hypot(x, y).ravel() - flat_radius) / (radius - flat_radius), 0, 1)
    rise = outside**2 * (3 - 2 * outside)
    hills = height * rise * (1 + 0.4 * WaveNoise(rng, radius / 2)(places))
    places[:, 2] = hills + _EVEN_M * WaveNoise(rng, _EVEN_WAVELENGTH_M)(places)
    top = shade_smooth(places, split_quads(_grid_quads(_CELLS)))
    bottom = places.copy()
    bottom[:, 2] = places[:, 2].min() - _THICKNESS_M
    rim = _rim(_CELLS)
    after, count = np.roll(rim, -1), len(places)
    sides = split_quads(np.stack([after, rim, rim + count, after + count], axis=-1))
    below = split_quads(_grid_quads(_CELLS)[:, ::-1]) + count
    rest = shade_flat(np.concatenate([places, bottom]), np.concatenate([sides, below]))
    return Solid(
        rest.vertices,
        np.concatenate([top.faces, rest.faces]),
        np.concatenate([top.corner_normals, rest.corner_normals]),
    )


def make_tree(height: float, crown_radius: float, rng: np.random.Generator) -> Solid:
    """A trunk from z = 0 to `height`, branches of two orders and leaves within `crown_radius` of the axis, m."""
    levels = np.linspace(0, height, 6)
    lean = np.cumsum(rng.normal(scale=0.02 * height / 5, size=(6, 2)), axis=0) * (levels > 0)[:, None]
    trunk = np.column_stack([lean, levels])
    width = np.interp(levels, [0, height], [0.028 * height, 0.004 * height])
    starts, ends = [trunk[:-1]], [trunk[1:]]
    thick, thin = [width[:-1]], [width[1:]]
    tips = [trunk[-1:]]
    for order, count in ((1, 14), (2, 42)):
        parents = rng.integers(len(starts[-1]) if order == 2 else 5, size=count)
        along = rng.uniform(0.35, 1.0, (count, 1))
        base_a, base_b = (starts[-1], ends[-1]) if order == 2 else (trunk[:-1], trunk[1:])
        base = base_a[parents] + along * (base_b[parents] - base_a[parents])
        base = base[base[:, 2] > 0.3 * height]
        azimuth = rng.uniform(0, 2 * np.pi, len(base))
        length = (0.85 if order == 1 else 0.4) * crown_radius * rng.uniform(0.6, 1.0, len(base))
        rise = rng.uniform(0.1, 0.6, len(base))
        direction = np.stack([np.cos(azimuth), np.sin(azimuth), rise], axis=-1)
        tip = base + length[:, None] * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        reach = np.linalg.norm(tip[:, :2], axis=-1, keepdims=True)
        tip[:, :2] *= np.minimum(1, crown_radius / reach)
        starts.append(base)
        ends.append(tip)
        thick.append(np.full(len(base), (0.010 if order == 1 else 0.005) * height))
        thin.append(np.full(len(base), 0.0015 * height))
        tips.append(tip)
    branches = _branches(*(np.concatenate(part) for part in (starts, ends, thick, thin)))
    leaves = _leaves(np.concatenate(tips[1:]), crown_radius, rng)
    return Solid(
        np.concatenate([branches.vertices, leaves.vertices]),
        np.concatenate([branches.faces, leaves.faces + len(branches.vertices)]),
        np.concatenate([branches.corner_normals, leaves.corner_normals]),
    )


def _grid_quads(cells: int) -> NDArray[np.int64]:
    """Cells of a square grid, counter-clockwise seen from above: [cells^2, 4]."""
    i, j = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
    corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
    return np.stack([a * (cells + 1) + b for a, b in corners], axis=-1).reshape(-1, 4)


def _rim(cells: int) -> NDArray[np.int64]:
    """Vertices of a square grid's border, counter-clockwise seen from above."""
    side, full = np.arange(cells), np.full(cells, cells)
    i = np.concatenate([side, full, cells - side, 0 * side])
    j = np.concatenate([0 * side, side, full, cells - side])
    return i * (cells + 1) + j


def _branches(
    starts: NDArray[np.float64], ends: NDArray[np.float64], thick: NDArray[np.float64], thin: NDArray[np.float64]
) -> Solid:
    """Closed frustums from points [N, 3] to points, of radii [N] at both ends."""
    along = (ends - starts) / np.linalg.norm(ends - starts, axis=-1, keepdims=True)
    helper = np.where(np.abs(along[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    u = np.cross(along, helper)
    u /= np.linalg.norm(u, axis=-1, keepdims=True)
    v = np.cross(along, u)
    angle = np.arange(_SIDES) * 2 * np.pi / _SIDES
    ring = np.cos(angle)[:, None] * u[:, None] + np.sin(angle)[:, None] * v[:, None]
    low, high = (at[:, None] + r[:, None, None] * ring for at, r in ((starts, thick), (ends, thin)))
    here, after = np.arange(_SIDES), np.roll(np.arange(_SIDES), -1)
    side = split_quads(np.stack([here, after, after + _SIDES, here + _SIDES], axis=-1))
    fan = np.stack([np.zeros(_SIDES - 2, np.int64), np.arange(2, _SIDES), np.arange(1, _SIDES - 1)], axis=-1)
    one = np.concatenate([side, fan, fan[:, ::-1] + _SIDES])
    faces = (one + 2 * _SIDES * np.arange(len(starts))[:, None, None]).reshape(-1, 3)
    return shade_flat(np.concatenate([low, high], axis=1).reshape(-1, 3), faces)


def _leaves(tips: NDArray[np.float64], crown_radius: float, rng: np.random.Generator) -> Solid:
    """Flat octahedra turned at random, about the tips of branches [N, 3]."""
    centers = tips[rng.integers(len(tips), size=_LEAVES)] + rng.normal(scale=0.13 * crown_radius, size=(_LEAVES, 3))
    axes = np.linalg.qr(rng.normal(size=(_LEAVES, 3, 3)))[0]
    axes[:, :, 2] *= np.linalg.det(axes)[:, None]
    corners = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]) * np.array(_LEAF_M) / 2
    ring = np.arange(4)
    after = np.roll(ring, -1)
    one = np.concatenate(
        [np.stack([ring, after, np.full(4, 4)], axis=-1), np.stack([after, ring, np.full(4, 5)], axis=-1)]
    )
    points = centers[:, None] + np.einsum("lij,cj->lci", axes, corners)
    return shade_flat(points.reshape(-1, 3), (one + 6 * np.arange(_LEAVES)[:, None, None]).reshape(-1, 3))
