"""Which views see a point of a surface, and what they say about it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.export.surface.view_planes import ViewPlanes


class Sightings(NamedTuple):
    """What one view says about M of the points."""

    view: int
    points: Tensor  # [M] int64
    pixels: Tensor  # [M] int64, row by row
    offsets: Tensor  # [M] signed distance of the point from its pixel's plane, positive before it
    normals: Tensor  # [M, 3] of the planes, world
    weights: Tensor  # [M]


def sight(
    points: Tensor, views: Iterable[ViewPlanes], reach: float, normals: Tensor | None = None
) -> Iterator[Sightings]:
    """Views of points that lie within `reach` of the surface seen at their pixel.

    Args:
        points: [N, 3] float32, world.
        views: to look into.
        reach: in depth and from the plane.
        normals: [N, 3] of the points; a view that looks at the back of one does not see it.
    """
    for number, view in enumerate(views):
        R, t = view.viewmat[:3, :3], view.viewmat[:3, 3]
        local = points @ R.T + t
        z = local[:, 2]
        projected = local[:, :2] / z.clamp_min(1e-6)[:, None] * view.K[[0, 1], [0, 1]] + view.K[:2, 2]
        inside = (z > 0) & (projected >= 0).all(1)
        inside &= (projected[:, 0] < view.width) & (projected[:, 1] < view.height)
        found = inside.nonzero()[:, 0]
        column, row = projected[found].long().unbind(1)
        pixels = row * view.width + column
        rows = view.rows[pixels]
        near = ((local[found, 2] - rows[:, 4]).abs() <= 2 * reach) & (rows[:, 5] > 0)
        found, pixels, rows = found[near], pixels[near], rows[near]
        offsets = (rows[:, :3] * local[found]).sum(1) - rows[:, 3]
        near = offsets.abs() <= reach
        if normals is not None:
            near &= ((normals[found] @ R.T) * local[found]).sum(1) < 0
        found, pixels, rows, offsets = found[near], pixels[near], rows[near], offsets[near]
        yield Sightings(number, found, pixels, offsets, rows[:, :3] @ R, rows[:, 5])


def count_sightings(points: Tensor, views: Iterable[ViewPlanes], reach: float) -> Tensor:
    """[N] int64, by how many views each point is seen."""
    counts = torch.zeros(len(points), dtype=torch.int64)
    for seen in sight(points, views, reach):
        counts[seen.points] += 1
    return counts
