"""Depths that were measured in an image, as training uses them: a list of pixels, for most have none.

Beside each stands its standard deviation and, where there are maps of them, the normal of the surface.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.io.maps.depth_maps import DepthMap
from splatkit.optimize.data.lenses import Lens, rectify_positions


@dataclass(frozen=True)
class MeasuredDepth:
    """Measured pixels of an image, in the order of its rows, each at most once."""

    indices: Tensor  # [M] int32, row * width + column
    depths: Tensor  # [M] float32, z-depth in units of the dataset
    sigmas: Tensor  # [M] float32, standard deviation; 0 where it is not known
    width: int  # px, of the image
    height: int  # px
    normals: Tensor | None = (
        None  # [M, 3] float16, unit, in the camera's frame (OpenCV axes); zeros where there is none
    )

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def bytes(self) -> int:
        """What the lists take."""
        return (12 if self.normals is None else 18) * len(self)

    def to(self, device: torch.device | str) -> "MeasuredDepth":
        """The same on a device."""
        indices, depths, sigmas = self.indices.to(device), self.depths.to(device), self.sigmas.to(device)
        normals = None if self.normals is None else self.normals.to(device)
        return MeasuredDepth(indices, depths, sigmas, self.width, self.height, normals)

    def reduced(self, factor: int) -> "MeasuredDepth":
        """Of an image that is smaller by a whole factor; several measurements of a pixel all stay."""
        if factor == 1:
            return self
        width, height = self.width // factor, self.height // factor
        rows, columns = self.indices // self.width // factor, self.indices % self.width // factor
        inside = (rows < height) & (columns < width)  # what a factor leaves over at the border is cut off
        indices = (rows * width + columns)[inside]
        normals = None if self.normals is None else self.normals[inside]
        return MeasuredDepth(indices, self.depths[inside], self.sigmas[inside], width, height, normals)


def measured_depth(
    depth_map: DepthMap,
    lens: Lens | None,
    image_size: tuple[int, int],
    scale: float = 1.0,
    allowed: NDArray[np.bool_] | None = None,
    normals: NDArray[np.float32] | None = None,
) -> MeasuredDepth:
    """Carry a depth map over to the image that training sees.

    Each measured pixel moves by itself to where its center lies after rectification and scaling: no depth is mixed from
    several, and one of few measurements stays one. Where several meet in a pixel the nearest counts. A depth map may be
    smaller or larger than its image.

    Args:
        depth_map: as stored, [H, W] of any size.
        lens: that took the image; None where there is no distortion.
        image_size: width and height of the image as stored, px.
        scale: by which the image is scaled after rectification.
        allowed: pixels of the image as stored that count, [H, W]; None for all.
        normals: [H, W, 3] of the same pixels as the depths, in the camera's frame, which no rectification turns; zeros
            where there is none. None: nowhere.
    """
    rows, columns = np.nonzero(depth_map.depths)
    height, width = depth_map.depths.shape
    positions = np.stack([(columns + 0.5) * image_size[0] / width, (rows + 0.5) * image_size[1] / height], -1)
    if allowed is not None:
        x, y = np.floor(positions).astype(np.int64).T
        rows, columns, positions = (values[allowed[y, x]] for values in (rows, columns, positions))
    if lens is not None:
        positions = np.nan_to_num(rectify_positions(positions, lens), nan=-1.0)  # seen by no ray: left out below
    out_width, out_height = (int(size * scale) for size in image_size)
    x, y = np.floor(positions * scale).astype(np.int64).T
    depths, sigmas = depth_map.depths[rows, columns], depth_map.sigmas[rows, columns]
    kept = (x >= 0) & (x < out_width) & (y >= 0) & (y < out_height)
    indices, depths, sigmas = (y * out_width + x)[kept], depths[kept], sigmas[kept]
    order = np.lexsort((depths, indices))
    chosen = order[np.unique(indices[order], return_index=True)[1]]
    return MeasuredDepth(
        torch.from_numpy(indices[chosen].astype(np.int32)),
        torch.from_numpy(depths[chosen]),
        torch.from_numpy(sigmas[chosen]),
        out_width,
        out_height,
        None if normals is None else torch.from_numpy(normals[rows, columns][kept][chosen]).half(),
    )
