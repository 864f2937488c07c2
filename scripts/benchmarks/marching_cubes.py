"""Marching cubes as a control for optimization: topology by scikit-image, vertices with gradients."""

import numpy as np
import torch
from skimage.measure import marching_cubes
from torch import Tensor, nn

from splatkit.isosurface.surface import Surface
from splatkit.ops.isosurface import find_surface


class MarchingCubes(nn.Module):
    """Field [R + 1, R + 1, R + 1] on the box [-1, 1]^3 -> Surface with vertices on grid edges."""

    def forward(self, field: Tensor) -> Surface:
        """The surface of a field, closed on the border of the box like FlexiCubes' but a cell outside of it."""
        size = field.shape[0]
        padded = torch.nn.functional.pad(field[None, None], (1,) * 6, value=float(field.detach().abs().max()))[0, 0]
        found, faces, _, _ = marching_cubes(padded.detach().numpy(), 0.0, gradient_direction="descent")
        low = torch.from_numpy(np.floor(found + 1e-6).astype(np.int64))
        along = torch.from_numpy((found - low.numpy() > 1e-6).astype(np.int64))
        high = low + along
        a, b = (padded[tuple(corner.unbind(-1))] for corner in (low, high))
        crossed = (a < 0) != (b < 0)
        share = torch.where(crossed, a / torch.where(crossed, a - b, 1.0), 0.0)
        places = low + share[:, None] * along
        topology = find_surface(field[None])
        vertices = (places - 1) * (2 / (size - 1)) - 1
        triangles = torch.from_numpy(faces.astype(np.int64))
        near = field.reshape(-1).index_select(0, topology.grid_vertices)
        return Surface(vertices, triangles, None, vertices.new_zeros(0), topology, near, {})
