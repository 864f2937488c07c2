"""Fields for tests of surfaces, and what a closed surface must be."""

import torch
from torch import Tensor


def grid_points(*cells: int) -> Tensor:
    """[X + 1, Y + 1, Z + 1, 3] float64 in [-1, 1]."""
    axes = [torch.linspace(-1, 1, n + 1, dtype=torch.float64) for n in cells]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def torus_field(*cells: int) -> Tensor:
    """[1, X + 1, Y + 1, Z + 1] distances to a torus round the y axis."""
    x, y, z = grid_points(*cells).unbind(-1)
    return ((((x**2 + z**2).sqrt() - 0.6) ** 2 + y**2).sqrt() - 0.25)[None]


def gyroid_field(*cells: int, periods: float = 2.0) -> Tensor:
    """[1, X + 1, Y + 1, Z + 1]: ambiguous faces and problem cases where the grid is coarse.

    Shifted a little: on its planes of symmetry the gyroid itself is zero up to rounding.
    """
    x, y, z = (grid_points(*cells) * torch.pi * periods).unbind(-1)
    return (x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos() + 0.03)[None]


def random_field(*cells: int, seed: int = 0, fields: int = 1) -> Tensor:
    """[N, X + 1, Y + 1, Z + 1] of independent values: every case occurs."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(fields, *(n + 1 for n in cells), dtype=torch.float64, generator=generator)


def edge_uses(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Directed edges [E, 2] of polygons [F, K], and how often the polygons go along each."""
    edges = torch.stack([faces, faces.roll(-1, 1)], -1).reshape(-1, 2).long()
    return torch.unique(edges, dim=0, return_counts=True)


def assert_closed_manifold(faces: Tensor) -> None:
    """Each edge is used once in each direction; the faces round each vertex form one cycle."""
    edges, uses = edge_uses(faces)
    assert (uses == 1).all()
    assert {tuple(e) for e in edges.tolist()} == {(b, a) for a, b in edges.tolist()}
    following: dict[int, dict[int, int]] = {}
    for face in faces.tolist():
        for k, vertex in enumerate(face):
            following.setdefault(vertex, {})[face[(k + 1) % len(face)]] = face[k - 1]
    for ring in following.values():
        start = next(iter(ring))
        at, length = ring[start], 1
        while at != start:
            at, length = ring[at], length + 1
        assert length == len(ring)
