"""Texels: which point of the surface each pixel of a texture shows, and what fills the pixels that show none."""

from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray

_ROWS_BYTES = 1 << 26  # of rays at a time
_ROUNDING = 1e-3  # of weights
_FARTHEST = 4.0  # times the size of a triangle: beyond, the plane of a sliver is not known


@dataclass(frozen=True)
class Texels:
    """T pixels of a square texture whose centers lie in a triangle, or right beside one.

    Between the outermost centers inside a chart and its border, bilinear interpolation takes those outside too. They
    show what the plane of the triangle meets there, as if the chart went on.
    """

    index: NDArray[np.int64]  # [T] row * size + column, ascending; row 0 is the upper edge
    face: NDArray[np.int64]  # [T]
    weights: NDArray[np.float32]  # [T, 3] of the face's corners, sum 1; some are negative beside it

    def interpolate(self, faces: NDArray[np.integer], values: NDArray[np.floating]) -> NDArray[np.float32]:
        """[T, C] from values [V, C] at the vertices."""
        corners = faces[self.face]
        out = np.zeros((len(corners), values.shape[1]), np.float32)
        for corner in range(3):
            out += self.weights[:, corner, None] * values[corners[:, corner]].astype(np.float32)
        return out

    def inside(self) -> NDArray[np.bool_]:
        """[T] whether the center lies in the triangle."""
        return np.asarray(self.weights.min(1) > -_ROUNDING)


def rasterize_texels(uvs: NDArray[np.floating], faces: NDArray[np.integer], size: int) -> Texels:
    """Find the triangle of each texel: by rays onto the flat mesh of places, or the nearest one."""
    flat = np.zeros((len(uvs), 3), np.float32)
    flat[:, :2] = uvs * size
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(flat), o3d.core.Tensor(np.ascontiguousarray(faces, dtype=np.uint32)))
    inside = _inside(scene, size)
    beside = _beside(scene, flat[:, :2][faces].astype(np.float64), inside.index, size)
    index = np.concatenate([inside.index, beside.index])
    order = np.argsort(index, kind="stable")
    face, weights = np.concatenate([inside.face, beside.face]), np.concatenate([inside.weights, beside.weights])
    return Texels(index[order], face[order], weights[order])


def _inside(scene: o3d.t.geometry.RaycastingScene, size: int) -> Texels:
    """Texels whose centers lie in a triangle."""
    indices, faces, weights = [], [], []
    rows = max(1, _ROWS_BYTES // (size * 24))
    for start in range(0, size, rows):
        row, column = np.mgrid[start : min(start + rows, size), 0:size]
        rays = np.zeros((row.size, 6), np.float32)
        rays[:, 0], rays[:, 1], rays[:, 2] = column.ravel() + 0.5, size - (row.ravel() + 0.5), 1
        rays[:, 5] = -1
        answer = scene.cast_rays(o3d.core.Tensor(rays))
        hit = np.flatnonzero(np.isfinite(answer["t_hit"].numpy()))
        uv = answer["primitive_uvs"].numpy()[hit]
        indices.append(start * size + hit)
        faces.append(answer["primitive_ids"].numpy()[hit].astype(np.int64))
        weights.append(np.concatenate([1 - uv.sum(1, keepdims=True), uv], 1))
    return Texels(np.concatenate(indices), np.concatenate(faces), np.concatenate(weights).astype(np.float32))


def _beside(
    scene: o3d.t.geometry.RaycastingScene, corners: NDArray[np.float64], inside: NDArray[np.int64], size: int
) -> Texels:
    """The neighbors of those inside, of triangles with corners [F, 3, 2] in texels from the lower left."""
    known = np.zeros((size, size), np.uint8)
    known.ravel()[inside] = 1
    index = np.flatnonzero(np.asarray(cv2.dilate(known, np.ones((3, 3), np.uint8))) > known)
    row, column = np.divmod(index, size)
    places = np.stack([column + 0.5, size - (row + 0.5)], -1)
    answer = scene.compute_closest_points(
        o3d.core.Tensor(np.column_stack([places, np.zeros(len(places))]).astype(np.float32))
    )
    face = answer["primitive_ids"].numpy().astype(np.int64)
    a, b, c = np.moveaxis(corners[face], 1, 0)
    area, second, third = _cross(b - a, c - a), _cross(places - a, c - a), _cross(b - a, places - a)
    uv = np.stack([second, third], -1) / np.where(area == 0, np.nan, area)[:, None]
    weights = np.concatenate([1 - uv.sum(1, keepdims=True), uv], 1)
    sure = np.abs(weights).max(1) < _FARTHEST
    return Texels(index[sure], face[sure], weights[sure].astype(np.float32))


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def fill_gaps(image: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Colors [S, S, 3] where only some [S, S] are known: the others take averages of the nearest known ones.

    Pull and push over a pyramid (Gortler et al., The Lumigraph, SIGGRAPH 1996): no level of a mip map, however coarse,
    mixes a chart with what is not one.
    """
    levels = [(image * known[..., None], known.astype(np.float32))]
    while max(levels[-1][1].shape) > 1:
        total, weight = (_halve(channel) for channel in levels[-1])
        levels.append((total / np.maximum(weight, 1e-12)[..., None], np.minimum(weight * 4, 1)))
        levels[-1] = (levels[-1][0] * levels[-1][1][..., None], levels[-1][1])
    colors = levels[-1][0]
    for total, weight in reversed(levels[:-1]):
        height, width = weight.shape
        coarse = cv2.resize(colors, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, 3)
        colors = total + (1 - weight)[..., None] * coarse
    out = np.where(known[..., None], image, colors)
    return np.asarray(out, dtype=np.float32)


def _halve(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of blocks of 2 x 2; an odd last row or column is repeated."""
    height, width = channel.shape[:2]
    padding = ((0, height % 2), (0, width % 2), *(((0, 0),) * (channel.ndim - 2)))
    even = np.pad(channel, padding, mode="edge") if height % 2 or width % 2 else channel
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
