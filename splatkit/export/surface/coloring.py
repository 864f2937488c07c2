"""Colors of vertices, from the views that see them."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.export.surface.rendered_views import RenderedViews
from splatkit.export.surface.sightings import sight
from splatkit.export.surface.view_planes import PlaneViews


def color_vertices(
    vertices: NDArray[np.floating], views: RenderedViews, planes: PlaneViews, reach: float
) -> NDArray[np.uint8]:
    """[V, 3] sRGB: means over the views that see a vertex, weighted; those that none sees take their neighbor's."""
    points = torch.from_numpy(np.asarray(vertices, np.float32))
    sums, weights = torch.zeros(len(points), 3), torch.zeros(len(points))
    for seen, view in zip(sight(points, planes, reach), views, strict=True):
        color = view.colors.reshape(-1, 3)[seen.pixels]
        sums.index_add_(0, seen.points, color * seen.weights[:, None])
        weights.index_add_(0, seen.points, seen.weights)
    colors = (sums / weights.clamp_min(1e-12)[:, None] * 255).round().to(torch.uint8).numpy()
    known = (weights > 0).numpy()
    if known.any() and not known.all():
        nearest = cKDTree(vertices[known]).query(vertices[~known])[1]
        colors[~known] = colors[known][nearest]
    return colors
