"""Multiresolution encodings on simplex and cubic lattices, by their definition.

A position in the unit cube is looked up on several lattices of growing density; on each, features of the vertices
around it are interpolated. Instant-NGP (arXiv 2201.05989) takes cubic cells and hashed vertices. The simplex lattice
takes d + 1 vertices in place of 2^d (arXiv 2311.15439); it is the permutohedral lattice A_d* with its Delaunay
simplices, found by the skew of simplex noise.

What is ours: the collision-free index of dense simplex levels (`quotient_index`) and the smooth interpolation.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Of tiny-cuda-nn's "coherent prime" hash; the eighth, which it lacks, is the first prime above 2^32 / 1.3247 (the
# plastic number).
PRIMES = (1, 2654435761, 805459861, 3674653429, 2097192037, 1434869437, 2165219737, 3242174893)


class Levels(NamedTuple):
    """One entry a level; see `splatkit.encodings.levels`, which makes them."""

    scales: list[float]  # cells per unit length
    offsets: list[int]  # first entry in the table
    sizes: list[int]  # entries
    moduli: list[int]  # of the dense index, 0: hashed. Simplex: a of `quotient_index`, else vertices along an axis
    steps: list[int]  # b of `quotient_index`


def skew(dims: int, lattice: str) -> float:
    """F of the skew x + F sum(x), which turns the simplices of A_d* into the d! pieces of cubes."""
    return ((dims + 1) ** 0.5 - 1) / dims if lattice == "simplex" else 0.0


def encode(
    positions: Tensor,
    table: Tensor,
    levels: Levels,
    lattice: str,
    interpolation: str = "linear",
    seed: int = 0,
) -> Tensor:
    """Features of positions.

    Args:
        positions: [N, d]; outside of [0, 1] the encoding stays constant.
        table: [entries, F].
        levels: of the encoding.
        lattice: "simplex", "kuhn" (cubes cut into simplices without a skew) or "grid" (cubes).
        interpolation: "linear", "smooth", "nearest" (the vertex of the largest weight) or "stochastic" (one vertex,
            drawn with its weight as its probability).
        seed: of stochastic interpolation.

    Returns:
        [N, L * F], by level, then by feature, in the dtype of positions.
    """
    entries, shares = [], []
    for level, offset in enumerate(levels.offsets):
        vertices, weights = locate(positions, level, levels, lattice, interpolation, seed)
        entries.append(vertex_index(vertices, level, levels, lattice) + offset)
        shares.append(weights)
    values = table[torch.stack(entries, 1)].to(positions.dtype)  # [N, L, K, F]
    return (torch.stack(shares, 1)[..., None] * values).sum(2).flatten(1)


def locate(
    positions: Tensor, level: int, levels: Levels, lattice: str, interpolation: str, seed: int
) -> tuple[Tensor, Tensor]:
    """Vertices [N, K, d] of the cells that hold the positions, int64, and their weights [N, K]."""
    dims, scale = positions.shape[-1], levels.scales[level]
    inside = positions.clamp(0, 1)
    total = inside[:, :1]
    for axis in range(1, dims):  # in this order in all implementations: equal bits, equal cells
        total = total + inside[:, axis : axis + 1]
    shift = total * (scale * skew(dims, lattice)) if lattice != "grid" else 0.5
    skewed = inside * scale + shift
    base = skewed.detach().floor()
    fractions = skewed - base
    corners = _grid_corners(fractions) if lattice == "grid" else _simplex_corners(fractions)
    weights = _interpolate(fractions, corners, lattice, interpolation, seed, level)
    return base.long()[:, None] + corners, weights


def _grid_corners(fractions: Tensor) -> Tensor:
    dims = fractions.shape[-1]
    numbers = torch.arange(2**dims, device=fractions.device)
    corners = (numbers[:, None] >> torch.arange(dims, device=fractions.device)) & 1
    return corners.expand(len(fractions), -1, -1)


def _simplex_corners(fractions: Tensor) -> Tensor:
    """From the cell's origin one step at a time along the axes, the largest fraction first."""
    order = torch.argsort(fractions.detach(), dim=-1, descending=True, stable=True)
    path = torch.nn.functional.one_hot(order, fractions.shape[-1]).cumsum(1)
    return torch.cat([torch.zeros_like(path[:, :1]), path], 1)


def _interpolate(fractions: Tensor, corners: Tensor, lattice: str, interpolation: str, seed: int, level: int) -> Tensor:
    if interpolation == "smooth":
        return _smooth_weights(fractions, corners, lattice)
    linear = _linear_weights(fractions, corners, lattice)
    if interpolation == "linear":
        return linear
    nearest = interpolation == "nearest"
    chosen = linear.argmax(-1) if nearest else _draw(fractions, corners, lattice, seed, level)
    # One vertex, with the gradient that linear interpolation has on average.
    one = torch.nn.functional.one_hot(chosen, corners.shape[1]).to(linear)
    return one if nearest else one + (linear - linear.detach())


def _linear_weights(fractions: Tensor, corners: Tensor, lattice: str) -> Tensor:
    if lattice == "grid":
        return torch.where(corners == 1, fractions[:, None], 1 - fractions[:, None]).prod(-1)
    falling = fractions.sort(-1, descending=True).values
    padded = torch.cat([torch.ones_like(falling[:, :1]), falling, torch.zeros_like(falling[:, :1])], -1)
    return padded[:, :-1] - padded[:, 1:]


def _smooth_weights(fractions: Tensor, corners: Tensor, lattice: str) -> Tensor:
    """Grid: smoothstep of the fractions. Simplex: normalized kernels max(0, 1/2 - r^2)^4, r in edges of the lattice.

    The kernel of a vertex ends before the faces opposite to it, so the sum over the vertices of one simplex is smooth
    everywhere (three derivatives), unlike a smoothstep of barycentric weights.
    """
    if lattice == "grid":
        return _linear_weights(fractions**2 * (3 - 2 * fractions), corners, lattice)
    dims = fractions.shape[-1]
    unskew = (1 - 1 / (dims + 1) ** 0.5) / dims
    away = fractions[:, None] - corners
    away = away - unskew * away.sum(-1, keepdim=True)
    kernels = (0.5 - away.square().sum(-1)).clamp_min(0) ** 4
    return kernels / kernels.sum(-1, keepdim=True)


def _draw(fractions: Tensor, corners: Tensor, lattice: str, seed: int, level: int) -> Tensor:
    """The vertex of each point: on a simplex the k-th where k fractions exceed a random number."""
    points = torch.arange(len(fractions), device=fractions.device)
    state = random_bits((points * 0x9E3779B9 + level * 0x85EBCA6B + seed) & 0xFFFFFFFF)
    if lattice != "grid":
        return (fractions.detach() > uniform(state)[:, None].to(fractions)).sum(-1)
    number = torch.zeros_like(points)
    for axis in range(fractions.shape[-1]):
        number += (fractions[:, axis].detach() > uniform(state).to(fractions)).long() << axis
        state = random_bits(state)
    return number


def random_bits(x: Tensor) -> Tensor:
    """A bijective hash of 32-bit numbers: multiply, xor-shift, twice."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def uniform(bits: Tensor) -> Tensor:
    """In [0, 1), from the upper 24 bits."""
    return (bits >> 8).double() / 2**24


def vertex_index(vertices: Tensor, level: int, levels: Levels, lattice: str) -> Tensor:
    """Entry of each vertex [..., d] in its level's part of the table."""
    modulus, size = levels.moduli[level], levels.sizes[level]
    if modulus == 0:
        return hash_index(vertices, size)
    if lattice == "simplex":
        return quotient_index(vertices, modulus, levels.steps[level])
    strides = torch.tensor([modulus**axis for axis in range(vertices.shape[-1])], device=vertices.device)
    return (vertices * strides).sum(-1) % size  # grid: as tiny-cuda-nn, whose last vertices wrap around


def hash_index(vertices: Tensor, size: int) -> Tensor:
    """XOR of coordinates times primes, modulo size (a power of two)."""
    index = torch.zeros_like(vertices[..., 0])
    for axis in range(vertices.shape[-1]):
        index ^= (vertices[..., axis] * PRIMES[axis]) & 0xFFFFFFFF
    return index % size


def quotient_index(vertices: Tensor, modulus: int, step: int) -> Tensor:
    """Index of a vertex modulo the lattice that a I + b J spans (J: all ones): no two vertices of a level share one.

    The skewed unit cube covers a parallelepiped that s (I + F J) spans, s the scale. The integer lattice of
    a = ceil(s) + 2 and b = ceil(a F) is spanned by vectors at least as long, so that the touched vertices, which lie in
    a cube of side less than s + 2 before the skew, differ modulo it. It has a^(d-1) (a + d b) classes, a few percent
    more than touched vertices, where their bounding box has (d + 1)^((d - 1) / 2) times as many.
    """
    dims = vertices.shape[-1]
    first, residues, place = vertices[..., 0].clone(), torch.zeros_like(vertices[..., 0]), 1
    for axis in range(1, dims):
        away = vertices[..., axis] - vertices[..., 0]
        residues += away % modulus * place
        first += -(away // modulus) * step
        place *= modulus
    along = modulus + dims * step
    return first % along + along * residues
