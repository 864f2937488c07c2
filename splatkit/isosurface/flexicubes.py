"""`FlexiCubes`: surfaces of scalar fields on a grid, with weights that let them be optimized, as an nn.Module.

FlexiCubes (arXiv 2308.05371). Weights and deformation are kept for the cells alone that a surface passed at some time
(`SparseRows`): a few percent of what dense ones take. Ranges are those of the published code.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from splatkit.isosurface.sparse_rows import Rows, SparseRows
from splatkit.isosurface.surface import Surface
from splatkit.memory import require_memory
from splatkit.ops.isosurface import SurfaceTopology, find_surface, surface_faces, surface_vertices, weights_in_range

Field = Tensor | Callable[[Tensor], Tensor]
"""Values at grid vertices, [X + 1, Y + 1, Z + 1] or with a batch axis before; or a function of points [M, 3] -> [M]."""

_WEIGHT_SCALE = 0.99  # alphas and betas lie in (0.01, 1.99), gammas in (0.005, 0.995)
_MAX_VERTICES = 2**31 - 1  # of a grid: indices have 32 bits
_CHUNK = 1 << 18  # points that a function is asked for at a time where no gradient is wanted


class FlexiCubes(nn.Module):
    """Surfaces of fields, negative inside, on a grid of a box.

    In training mode quads are cut round their centers and deviations are computed; in evaluation mode quads become two
    triangles each.

    Args:
        resolution: cells along x, y and z, or one number for all.
        low: corner of the box.
        high: corner of the box, larger along every axis.
        weights: whether crossings, vertices and centers have weights to be trained; without them this is dual marching
            cubes with vertices at the centroids.
        deform: whether grid vertices move, by less than half a cell.
        closed: whether surfaces close on the border of the box; otherwise they end there.

    Raises:
        ValueError: where an argument is out of its range.
    """

    low: Tensor
    spacing: Tensor

    def __init__(
        self,
        resolution: int | Sequence[int],
        low: Sequence[float] = (-1.0, -1.0, -1.0),
        high: Sequence[float] = (1.0, 1.0, 1.0),
        *,
        weights: bool = True,
        deform: bool = True,
        closed: bool = True,
    ) -> None:
        super().__init__()
        cells = (resolution,) * 3 if isinstance(resolution, int) else tuple(resolution)
        if len(cells) != 3 or min(cells) < 1:
            raise ValueError(f"resolution: expected one or three numbers of cells, at least 1, got {resolution}")
        if math.prod(n + 1 for n in cells) > _MAX_VERTICES:
            raise ValueError(f"resolution: {cells} cells have more grid vertices than 32-bit indices reach")
        corners = torch.tensor([list(low), list(high)], dtype=torch.float64)
        if corners.shape != (2, 3) or not torch.isfinite(corners).all() or not (corners[1] > corners[0]).all():
            raise ValueError(f"low, high: expected corners of a box, low below high, got {list(low)} and {list(high)}")
        self.cells = cells
        self.closed = closed
        self.register_buffer("low", corners[0].float(), persistent=False)
        self.register_buffer("spacing", ((corners[1] - corners[0]) / torch.tensor(cells)).float(), persistent=False)
        self.cell_weights = SparseRows({"alphas": 8, "betas": 12, "gammas": 1}) if weights else None
        self.vertex_weights = SparseRows({"deformation": 3}) if deform else None

    def forward(self, field: Field, features: Field | None = None) -> Surface:
        """The surface of a field.

        Args:
            field: [X + 1, Y + 1, Z + 1] or [N, X + 1, Y + 1, Z + 1], or a function of points [M, 3] in the box, which
                is asked without gradients for all grid vertices and with gradients for those near the surface.
            features: [..., X + 1, Y + 1, Z + 1, C], or a function of points -> [M, C]; vertices take them over.

        Returns:
            Surface; gradients of its tensors reach the field, the features and this module's parameters.

        Raises:
            ValueError: on a field of another shape or with values that are not finite.
            MemoryError: where a function's values or the surface do not fit.
        """
        values = self.sample(field) if callable(field) else self._with_batch(field)
        topology = find_surface(values, self.closed)
        places = torch.addcmul(self.low, topology.coordinates.to(self.low.dtype), self.spacing)
        near = field(places) if callable(field) else _at(values.reshape(-1), topology)
        if near.shape != (len(places),):
            raise ValueError(f"field: expected {len(places)} values of as many points, got {list(near.shape)}")
        cell_rows = {} if self.cell_weights is None else self.cell_weights(topology.cells)
        vertex_rows = {} if self.vertex_weights is None else self.vertex_weights(topology.grid_vertices)
        if self.vertex_weights is not None:
            places = torch.addcmul(places, _moves(vertex_rows["deformation"]), self.spacing / 2)
        if features is not None:
            more = features(places) if callable(features) else _at(features.reshape(-1, features.shape[-1]), topology)
            places = torch.cat([places, more], -1)
        scaled = _in_range(cell_rows, near.dtype)
        points = places.to(near.dtype)
        training = self.training
        vertices, deviations = surface_vertices(topology, near, points, **scaled, centers=training, deviations=training)
        faces = surface_faces(topology, vertices, scaled.get("gammas"), centers=training)
        return Surface(
            vertices[:, :3],
            faces,
            vertices[:, 3:] if features is not None else None,
            deviations,
            topology,
            near,
            {**cell_rows, **vertex_rows},
        )

    @property
    def high(self) -> Tensor:
        """[3] the box's other corner."""
        return self.low + self.spacing * torch.tensor(self.cells, device=self.low.device)

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Let an optimizer of this module's parameters keep up as cells join. Call it once."""
        for rows in (self.cell_weights, self.vertex_weights):
            if rows is not None:
                rows.follow(optimizer)

    def grid_points(self) -> Tensor:
        """[X + 1, Y + 1, Z + 1, 3] positions of all grid vertices."""
        axes = [
            low + step * torch.arange(n + 1, device=self.low.device)
            for low, step, n in zip(self.low, self.spacing, self.cells, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)

    def moved_points(self, surface: Surface) -> Tensor:
        """`grid_points`, with those of active cells where a surface's deformation moved them; of a single field."""
        points = self.grid_points()
        if "deformation" not in surface.weights:
            return points
        moved = _moves(surface.weights["deformation"]) * (self.spacing / 2)
        return points.reshape(-1, 3).index_add(0, surface.topology.grid_vertices, moved).reshape(points.shape)

    @torch.no_grad()
    def sample(self, field: Callable[[Tensor], Tensor]) -> Tensor:
        """Values of a function at all grid vertices, [1, X + 1, Y + 1, Z + 1]; MemoryError where these do not fit."""
        shape = [n + 1 for n in self.cells]
        count, device = math.prod(shape), self.low.device
        if device.type == "cpu":
            require_memory("the field's values", 8 * count, "take fewer cells")  # in parts, then in one
        values = []
        for first in range(0, count, _CHUNK):
            numbers = torch.arange(first, min(first + _CHUNK, count), device=device)
            place = torch.stack(torch.unravel_index(numbers, shape), -1)
            values.append(field(torch.addcmul(self.low, place.to(self.low.dtype), self.spacing)))
        return torch.cat(values).reshape(1, *shape)

    def _with_batch(self, field: Tensor) -> Tensor:
        expected = [n + 1 for n in self.cells]
        if field.ndim not in (3, 4) or list(field.shape[-3:]) != expected:
            raise ValueError(f"field: expected shape {expected} or [N, ...] like the grid, got {list(field.shape)}")
        return field if field.ndim == 4 else field[None]

    def extra_repr(self) -> str:
        """What it is, for print(model)."""
        return f"{' x '.join(map(str, self.cells))} cells of {self.spacing.tolist()} from {self.low.tolist()}"


def _at(dense: Tensor, topology: SurfaceTopology) -> Tensor:
    return dense.index_select(0, topology.grid_vertices)


def _moves(deformation: Rows) -> Tensor:
    """Moves of grid vertices, in halves of a cell."""
    return weights_in_range(deformation.parameter, 1.0, 1.0, 0.0, deformation.places)


def _in_range(rows: dict[str, Rows], dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights from raw parameters."""
    if not rows:
        return {}
    scaled = {}
    for name, rate, scale, offset in (
        ("alphas", 1.0, _WEIGHT_SCALE, 1.0),
        ("betas", 1.0, _WEIGHT_SCALE, 1.0),
        ("gammas", 0.5, _WEIGHT_SCALE / 2, 0.5),  # a sigmoid
    ):
        weight = weights_in_range(rows[name].parameter, rate, scale, offset, rows[name].places)
        scaled[name] = weight.to(dtype)
    return {**scaled, "gammas": scaled["gammas"][:, 0]}
