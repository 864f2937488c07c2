"""First splats of a point cloud: round and faint ones, or disks on the surface where normals are known.

A cloud denser than wanted is thinned on a grid. Where it is known how much of a surface a pixel sees, cells grow with
that, so that they are about as large in the images: what many scans saw costs no more than what one saw.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from splatkit.geometry.rotation import multiply_quats
from splatkit.geometry.spherical_harmonics import rgb_to_sh0
from splatkit.splatting.spherical_beta import seed_lobes
from splatkit.splatting.splats import Splats

SEED_OPACITY = 0.1  # 3DGS: faint enough that splats behind still receive gradients
_RADIUS = 0.7  # of disks, in distances to their neighbors: disks that lie in a surface need less overlap than balls
_THICKNESS = 0.1  # of disks, in shares of their radius: flat, and still with gradients across
_OCTAVES = 8  # of cells: the finest are for what is 128 times nearer than what is farthest
_GRID_STEPS = 24  # of the search for the edge of a cell: it ends within 1 % of the count wanted


def splats_from_points(
    points: Tensor,
    colors: Tensor,
    sh_degree: int,
    max_splats: int,
    generator: torch.Generator,
    lobes: int = 0,
    normals: Tensor | None = None,
    footprints: Tensor | None = None,
) -> Splats:
    """First splats of a point cloud: faint Gaussians as large as the spacing of the points.

    Args:
        points: [N, 3] world; points that are not finite are left out.
        colors: [N, 3] in [0, 1].
        sh_degree: 0 to 3; bands above 0 start at zero.
        max_splats: a denser cloud is thinned to at most this count, see `thin_on_grid`.
        generator: source of the orientations.
        lobes: of each splat, see `spherical_beta`.
        normals: [N, 3] of any length; where they are finite and not zero, splats are disks across them. None: nowhere.
        footprints: [N] how much of the world a pixel of the closest view sees at a point, for the thinning.

    Returns:
        Splats, float32, at least one.
    """
    for name, values in (("colors", colors), ("normals", normals)):
        if values is not None and values.shape != points.shape:
            raise ValueError(f"{name}: expected shape {list(points.shape)} like points, got {list(values.shape)}")
    usable = torch.nonzero(torch.isfinite(points).all(1))[:, 0]
    if len(usable) == 0:
        raise ValueError("points: expected at least one finite point, got none")
    means, rgb = points[usable].float(), colors[usable].float()
    if len(means) > max_splats:
        kept, rgb = thin_on_grid(means, rgb, max_splats, None if footprints is None else footprints[usable])
        usable, means = usable[kept], means[kept]
    n = len(means)
    quats, scales = random_quats(n, generator), _spacing(means)[:, None].repeat(1, 3)
    if normals is not None:
        axes = normals[usable].float()
        flat = torch.isfinite(axes).all(1) & (axes.norm(dim=1) > 0)
        quats[flat] = _quats_across(torch.nn.functional.normalize(axes[flat], dim=1), quats[flat])
        scales[flat] *= scales.new_tensor([_RADIUS, _RADIUS, _RADIUS * _THICKNESS])
    return Splats(
        means=means,
        quats=quats,
        scales=scales,
        opacities=torch.full((n,), SEED_OPACITY),
        sh0=rgb_to_sh0(rgb),
        shN=torch.zeros(n, (sh_degree + 1) ** 2 - 1, 3),
        betas=torch.full((n,), 2.0),
        lobes=seed_lobes(n, lobes, generator),
    )


def random_quats(n: int, generator: torch.Generator) -> Tensor:
    """Uniformly distributed unit quaternions [n, 4]: normalized Gaussian 4-vectors have no preferred direction."""
    return torch.nn.functional.normalize(torch.randn(n, 4, generator=generator), dim=-1)


def thin_on_grid(points: Tensor, colors: Tensor, count: int, footprints: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Thin a cloud to one point for each cell of a grid, whose edges follow from the count wanted.

    Args:
        points: [N, 3] finite.
        colors: [N, 3].
        count: of points to keep, at most; nearly as many stay where the cloud is one.
        footprints: [N], positive, in any unit; cells then double with each doubling of it.

    Returns:
        Indices [M] of the points nearest to the mean of their cell, ascending, and the mean colors [M, 3] of the cells.
    """
    coordinates = points.double().numpy()
    coordinates = coordinates - coordinates.min(0)
    extent = float(coordinates.max())
    if extent == 0:
        return torch.zeros(1, dtype=torch.int64), colors.mean(0, keepdim=True)
    octaves = _octaves(len(points), footprints)
    low, high = extent * 1e-5, extent * 2.0  # all points in a cell of the latter
    for _ in range(_GRID_STEPS):
        middle = math.sqrt(low * high)
        if len(np.unique(_cells(coordinates, middle, octaves))) > count:
            low = middle
        else:
            high = middle
    _, cell, sizes = np.unique(_cells(coordinates, high, octaves), return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(cell, axis) for axis in coordinates.T], -1) / sizes[:, None]
    distances = ((coordinates - means[cell]) ** 2).sum(-1)
    order = np.lexsort((distances, cell))
    kept = order[np.concatenate([[0], np.cumsum(sizes)[:-1]])]
    shades = np.stack([np.bincount(cell, channel) for channel in colors.double().numpy().T], -1) / sizes[:, None]
    rank = np.argsort(kept)
    return torch.from_numpy(kept[rank]), torch.from_numpy(shades[rank]).to(colors)


def _octaves(count: int, footprints: Tensor | None) -> NDArray[np.int64]:
    """Sizes of cells at points [N] by number: the last is the largest, each one before it half as large."""
    if footprints is None:
        return np.full(count, _OCTAVES - 1)
    shares = (footprints / footprints.max()).double().numpy()
    steps = np.ceil(np.log2(shares.clip(min=0.5**_OCTAVES))).astype(np.int64)
    return np.maximum(_OCTAVES - 1 + steps, 0)


def _cells(coordinates: NDArray[np.float64], edge: float, octaves: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the grid's cell of each point; coordinates are positive, `edge` is that of the largest cells."""
    edges = edge * 0.5 ** (_OCTAVES - 1 - octaves)
    cells = np.minimum(coordinates / edges[:, None], 2**19 - 1).astype(np.int64)
    return (octaves << 57) | (cells[:, 0] << 38) | (cells[:, 1] << 19) | cells[:, 2]


def _quats_across(normals: Tensor, turns: Tensor) -> Tensor:
    """Rotations [N, 4] of the z axis to unit normals, about which the disks are turned as quaternions `turns` are."""
    # The shortest rotation from z to n is the quaternion (1 + n_z, z x n); from the other side, for normals near -z.
    flip = (normals[:, 2] < 0).to(normals)[:, None]
    n = normals * (1 - 2 * flip)  # a disk has two sides
    zero = torch.zeros_like(n[:, 0])
    shortest = torch.nn.functional.normalize(torch.stack([1 + n[:, 2], -n[:, 1], n[:, 0], zero], -1), dim=1)
    about_z = torch.nn.functional.normalize(turns * turns.new_tensor([1.0, 0.0, 0.0, 1.0]) + 1e-12, dim=1)
    return multiply_quats(shortest, about_z)


def _spacing(points: Tensor) -> Tensor:
    """Mean distance [N] of each point [N, 3] to its three nearest neighbors (3DGS), without zeros and outliers."""
    n = len(points)
    if n < 2:
        return torch.ones(n)
    coordinates = points.numpy().astype(np.float64)
    distances, _ = cKDTree(coordinates).query(coordinates, k=min(4, n))
    spacing = torch.from_numpy(distances[:, 1:].mean(1))
    positive = spacing[spacing > 0]
    typical = float(positive.median()) if len(positive) else 1.0
    # Coinciding points would become splats of no size; a stray far point would cover the whole image.
    return spacing.clamp(typical / 100, typical * 20).float()
