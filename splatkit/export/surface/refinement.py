"""FlexiCubes (arXiv 2308.05371) fitted to what the training views see: a field, its deformation and weights.

Signed distances, deformation and weights of the cells at the surface are optimized, all of them in every step, against

- rendered depth, as it was fused: each vertex is drawn to where the weighted mean of all views put the surface
  (a robust mean of the views that see a vertex was tried in its place, and is worse);
- rendered normals, and normals of the surface itself, averaged over neighbors but not across creases (bilateral
  normals: Zheng et al., TVCG 2011). A fused field has the noise of its views; its faces know more together;
- the photographs, after a first round by depth alone: where they agree better once the surface moves along its normal,
  vertices are drawn to that place instead (`export.consistency`). Normals stay those of depth: they are averaged over
  more of the surface than photographs' windows, whose errors would show as ripples;
- L_dev and small weights, as published.

What is outside of a silhouette was carved while views were fused. What views say is looked up again after some steps:
ray casting against the surface is not needed, for each vertex finds its pixels by projection.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss, normalize

from splatkit.export.consistency.photo_views import PhotoViews
from splatkit.export.consistency.vertex_answers import VertexAnswers, ask_photographs
from splatkit.export.surface.field_grid import FieldGrid, compact, seen_faces
from splatkit.export.surface.sightings import sight
from splatkit.export.surface.vertex_sigmas import with_sigmas
from splatkit.export.surface.view_planes import PlaneViews, plane_variances
from splatkit.io.mesh import Mesh
from splatkit.isosurface.sparse_rows import Rows, SparseRows
from splatkit.ops.isosurface import SurfaceTopology, find_surface, surface_faces, surface_vertices, weights_in_range
from splatkit.progress import Progress, no_progress, track

_WEIGHT_SCALE = 0.99  # alphas and betas lie in (0.01, 1.99)
_FARTHEST_VALUE = 1e4  # cells


@dataclass(frozen=True)
class RefinementSettings:
    """How a surface is refined; lengths in cells."""

    rounds: int = 5  # between which views are asked again
    steps: int = 10  # in each round
    value_rate: float = 0.04  # learning rate of signed distances
    weight_rate: float = 0.05  # of raw weights and deformation
    depth_weight: float = 3.0
    normal_weight: float = 8.0
    deviation_weight: float = 0.05  # L_dev
    weight_weight: float = 0.002  # of raw alphas and betas
    offset_scale: float = 1.0  # at which a view's disagreement about a vertex halves its say
    smoothing_steps: int = 40  # of the normals, in each round
    crease: float = 0.2  # difference of unit normals across which they are averaged less
    rendered_normal_share: float = 0.3  # of what normals are averaged from; the rest is the surface's own
    photo_blurs: tuple[float, ...] = (1.0, 0.5, 0.3)  # px, of photographs, round by round; the last one stays
    photo_excess: float = 7.0  # factor of variances by what windows err alike (measured on generated scenes)
    fused_excess: float = 3.0  # the same, of the fused depth
    photo_looks: int = 2  # rounds after which it is found again what photographs see


def refine(
    grid: FieldGrid,
    planes: PlaneViews,
    reach: float,
    settings: RefinementSettings,
    photos: PhotoViews | None = None,
    progress: Progress = no_progress,
) -> Mesh:
    """Refine the surface of a fused field; the grid's values are changed.

    Args:
        grid: the field; only what was observed takes part.
        planes: of the views.
        reach: how far from a pixel's plane a vertex may lie to be seen there, scene units.
        settings: of the refinement.
        photos: asked in all rounds but the first.
        progress: shows how many rounds are done.
    """
    field = _Field(grid)
    optimizer = torch.optim.Adam(
        [
            {"params": list(field.values.parameters()), "lr": settings.value_rate},
            {"params": [*field.moves.parameters(), *field.weights.parameters()], "lr": settings.weight_rate},
        ],
        fused=True,
    )
    for rows in (field.values, field.moves, field.weights):
        rows.follow(optimizer)
    target = None
    for number in track(range(settings.rounds), "refining", progress, settings.rounds):
        topology = field.find()
        target = _Target(field, topology, planes, reach, settings)
        if photos is not None and number > 0:
            target.heed(_answers(photos, target, grid, settings, number - 1))
        for _ in range(settings.steps):
            loss = target.loss(*field.vertices(topology))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        field.commit()
    topology = field.find()
    with torch.no_grad():
        vertices = field.vertices(topology)[0]
    faces = surface_faces(topology, vertices)
    mesh = compact(grid.places(vertices), faces[seen_faces(grid, topology, faces)])
    if target is None or len(mesh.faces) == 0:
        return mesh
    sigmas = target.variances(planes.median_footprint() / grid.spacing).sqrt().numpy() * grid.spacing
    return with_sigmas(mesh, grid.places(target.vertices).numpy(), sigmas, grid.spacing)


class _Field:
    """Parameters in grid coordinates: changes of the grid's values, moves of its vertices, weights of its cells."""

    def __init__(self, grid: FieldGrid) -> None:
        self.grid = grid
        self._base = grid.values.clone()
        self.values, self.moves = SparseRows({"values": 1}), SparseRows({"moves": 3})
        self.weights = SparseRows({"alphas": 8, "betas": 12})

    def find(self) -> SurfaceTopology:
        """The surface of the values as they are; new parameters join as it comes to new cells."""
        topology = find_surface(self.grid.values[None], closed=False)
        for rows in (self.values, self.moves):
            rows(topology.grid_vertices)
        self.weights(topology.cells)
        return topology

    def commit(self) -> None:
        """Put the changes into the grid."""
        with torch.no_grad():
            keys = self.values.keys.long()
            changed = self._base.view(-1)[keys] + self.values.get_parameter("values")[:, 0]
            self.grid.values.view(-1)[keys] = changed.clamp(-_FARTHEST_VALUE, _FARTHEST_VALUE)

    def fused_distances(self, places: Tensor) -> Tensor:
        """[V] of the field as it was fused, trilinear, at places [V, 3] in grid coordinates; in cells."""
        shape = torch.tensor(self._base.shape)
        low = torch.minimum(places.floor().clamp_min(0).long(), shape - 2)
        share = (places - low).unbind(1)
        strides = (int(shape[1] * shape[2]), int(shape[2]), 1)
        first = (low * torch.tensor(strides)).sum(1)
        total = torch.zeros(len(places))
        for corner in range(8):
            ups = [corner >> axis & 1 for axis in range(3)]
            weight = torch.ones(len(places))
            for axis, up in enumerate(ups):
                weight = weight * (share[axis] if up else 1 - share[axis])
            step = sum(up * stride for up, stride in zip(ups, strides, strict=True))
            total += weight * self._base.view(-1).index_select(0, first + step)
        return total

    def vertices(self, topology: SurfaceTopology) -> tuple[Tensor, Tensor, Tensor]:
        """Vertices [V, 3] in grid coordinates, L_dev and the mean magnitude of raw weights.

        Between two rounds no value changes its sign: the topology holds.
        """
        base = self._base.view(-1)[topology.grid_vertices]
        value = base + self.values(topology.grid_vertices)["values"].take()[:, 0]
        inside = self.grid.values.view(-1)[topology.grid_vertices] < 0
        value = torch.where(inside, value.clamp_max(-1e-3), value.clamp_min(1e-3))
        moves = self.moves(topology.grid_vertices)["moves"]
        places = topology.coordinates.float() + 0.5 * weights_in_range(moves.parameter, 1.0, 1.0, 0.0, moves.places)
        rows = self.weights(topology.cells)
        alphas, betas = (_in_range(rows[name]) for name in ("alphas", "betas"))
        vertices, uneven = surface_vertices(topology, value, places, alphas, betas, deviations=True)
        magnitude = rows["alphas"].mean_magnitude() + rows["betas"].mean_magnitude()
        return vertices, uneven.sum() / max(len(uneven), 1), magnitude


def _answers(
    photos: PhotoViews, target: "_Target", grid: FieldGrid, settings: RefinementSettings, number: int
) -> VertexAnswers:
    """What photographs say in their round of this number."""
    places = grid.places(target.vertices)
    photos.blur(settings.photo_blurs[min(number, len(settings.photo_blurs) - 1)])
    if number % settings.photo_looks == 0:
        photos.look_at(Mesh(places.numpy(), target.faces.numpy()))
    return ask_photographs(photos, places, target.faces, grid.spacing)


def _in_range(rows: Rows) -> Tensor:
    return weights_in_range(rows.parameter, 1.0, _WEIGHT_SCALE, 1.0, rows.places)


class _Target:
    """What the views and the surface's neighborhood ask of each vertex and face, for one topology."""

    def __init__(
        self, field: _Field, topology: SurfaceTopology, planes: PlaneViews, reach: float, settings: RefinementSettings
    ) -> None:
        self._settings = settings
        grid = field.grid
        with torch.no_grad():
            self.vertices = vertices = field.vertices(topology)[0]
            faces = surface_faces(topology, vertices)
            self.faces = faces[seen_faces(grid, topology, faces)]
            crosses = _crosses(vertices, self.faces)
            self._own = own = vertex_normals(self.faces, crosses, len(vertices))
            weights, seen = _observe(grid, vertices, own, planes, reach, settings.offset_scale)
            self._weights = weights
            self._said: VertexAnswers | None = None
            self.normals = normalize(seen + 1e-3 * own, dim=-1)
            self.places = vertices - field.fused_distances(vertices)[:, None] * self.normals
            self.confidences = weights / (weights + weights[weights > 0].median()) if (weights > 0).any() else weights
            shown = normalize(self.normals[self.faces].sum(1), dim=-1)
            share = settings.rendered_normal_share * self.confidences[self.faces].mean(1, keepdim=True)
            start = normalize((1 - share) * normalize(crosses, dim=-1) + share * shown, dim=-1)
            areas = crosses.norm(dim=-1)
            self.face_normals = smooth_normals(self.faces, start, areas, settings.smoothing_steps, settings.crease)

    def heed(self, said: VertexAnswers) -> None:
        """Draw vertices to where photographs want them, as far as these are believed."""
        self._said = said
        beliefs = said.beliefs[:, None]
        fused = ((self.places - self.vertices) * self.normals).sum(-1)
        self.normals = normalize((1 - beliefs) * self.normals + beliefs * self._own, dim=-1)
        offsets = (1 - said.beliefs) * fused + said.beliefs * said.offsets
        self.places = self.vertices + offsets[:, None] * self.normals
        self.confidences = (1 - said.beliefs) * self.confidences + said.beliefs

    def variances(self, footprint: float) -> Tensor:
        """[V] of places along the normals in cells^2, infinite where nothing is known.

        Args:
            footprint: of a median pixel, in cells.
        """
        fused = self._settings.fused_excess * plane_variances(self._weights) * footprint**2
        if self._said is None:
            return fused
        beliefs = self._said.beliefs
        asked = self._settings.photo_excess * torch.where(beliefs > 0, beliefs.square() * self._said.variances, 0)
        return torch.where(beliefs < 1, (1 - beliefs).square() * fused, 0) + asked

    def loss(self, vertices: Tensor, deviation: Tensor, magnitude: Tensor) -> Tensor:
        """Of vertices with this target's topology."""
        settings = self._settings
        off = ((vertices - self.places) * self.normals).sum(-1)
        depth = (self.confidences * huber_loss(off, torch.zeros_like(off), reduction="none", delta=0.5)).mean()
        crosses = _crosses(vertices, self.faces)
        turned = (crosses.norm(dim=-1) - (crosses * self.face_normals).sum(-1)).sum() / crosses.norm(dim=-1).sum()
        return (
            settings.depth_weight * depth
            + settings.normal_weight * turned
            + settings.deviation_weight * deviation
            + settings.weight_weight * magnitude
        )


def _observe(
    grid: FieldGrid, vertices: Tensor, normals: Tensor, planes: PlaneViews, reach: float, scale: float
) -> tuple[Tensor, Tensor]:
    """Weights [V] with which views see vertices, and sums of normals there [V, 3]; views that disagree count less."""
    weights, seen = torch.zeros(len(vertices)), torch.zeros(len(vertices), 3)
    for view in sight(grid.places(vertices), planes, reach, normals):
        off = view.offsets / grid.spacing
        weight = view.weights / (1 + (off / scale).square()).square()  # Geman and McClure
        weights.index_add_(0, view.points, weight)
        seen.index_add_(0, view.points, weight[:, None] * view.normals)
    return weights, seen


def _crosses(vertices: Tensor, faces: Tensor) -> Tensor:
    a, b, c = (vertices.index_select(0, faces[:, k]) for k in range(3))
    return torch.linalg.cross(b - a, c - a)


def vertex_normals(faces: Tensor, crosses: Tensor, count: int) -> Tensor:
    """[count, 3] unit, weighted by area; zero where no face is."""
    sums = torch.zeros(count, 3)
    for k in range(3):
        sums.index_add_(0, faces[:, k], crosses)
    return normalize(sums, dim=-1)


def smooth_normals(faces: Tensor, normals: Tensor, areas: Tensor, steps: int, crease: float) -> Tensor:
    """Normals [F, 3] averaged over neighbors by area, less the more they differ: exp(-|n - n'|^2 / 2 crease^2)."""
    first, second = face_pairs(faces)
    area_first, area_second = areas[first], areas[second]
    for _ in range(steps):
        one, other = normals.index_select(0, first), normals.index_select(0, second)
        alike = (one - other).square_().sum(-1).mul_(-0.5 / crease**2).exp_()
        sums = normals * areas[:, None]
        sums.index_add_(0, first, other.mul_((alike * area_second)[:, None]))
        sums.index_add_(0, second, one.mul_((alike * area_first)[:, None]))
        normals = normalize(sums, dim=-1)
    return normals


def face_pairs(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of faces with a common edge."""
    edges = np.sort(faces.numpy()[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    keys = torch.from_numpy(edges[:, 0] * (int(faces.max()) + 1) + edges[:, 1])
    owner = torch.arange(len(faces)).repeat_interleave(3)
    keys, order = keys.sort()
    same = keys[1:] == keys[:-1]
    return owner[order[:-1]][same], owner[order[1:]][same]
