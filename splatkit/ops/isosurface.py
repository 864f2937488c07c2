"""Dual surfaces of scalar fields on grids, with the weights of FlexiCubes: their cells, vertices and faces.

The signs of a field fix everything but the places of vertices: that is `find_surface`, without gradients. Values,
points and weights at the active cells alone make the vertices: `surface_vertices`, with gradients to all of them.

The definition is in `splatkit.reference.isosurface`; the native code in `cuda/isosurface`.
"""

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor

from splatkit.memory import require_memory
from splatkit.ops._library import define, dense, differentiate, native, threads

_MAX_INDEX = 2**31 - 1


class SurfaceTopology(NamedTuple):
    """What of a surface depends on the signs of its field alone.

    A active cells, B grid vertices at their corners, V vertices, S crossed edges of active cells, Q quads. Corner c of
    a cell has the offsets (c & 1, c >> 1 & 1, c >> 2 & 1); edge 4 a + i runs along axis a from the corner that lies
    i & 1 along the next axis (in the cyclic order x, y, z) and i >> 1 along the one after.
    """

    cells: Tensor  # [A] int64 among the N * X * Y * Z cells, ascending where they exist; -1 beyond the grid
    cases: Tensor  # [A] uint8, bit c: corner c lies inside; complemented where an ambiguous face asked for it
    corners: Tensor  # [A, 8] int32 among the B grid vertices; -1 beyond the grid
    first_vertex: Tensor  # [A + 1] int32
    first_crossing: Tensor  # [A + 1] int32
    grid_vertices: Tensor  # [B] int64 among the N * (X + 1) * (Y + 1) * (Z + 1) of the fields, ascending
    coordinates: Tensor  # [B, 3] int32 of the grid vertices
    vertex_cells: Tensor  # [V] int32, the active cell of each vertex
    quads: Tensor  # [Q, 4] int32, vertices counter-clockwise seen from outside
    crossing_quads: Tensor  # [S] int32, 4 * quad + place of the vertex in it; -1 where an open surface ends
    field_vertices: Tensor  # [N + 1] int64, first vertex of each field
    field_quads: Tensor  # [N + 1] int64, first quad of each field
    slab_cells: Tensor  # int64, first active cell of each x of each field, those beyond the grid included


def find_surface(field: Tensor, closed: bool = True) -> SurfaceTopology:
    """Find the cells that the surface of each field passes, and how its vertices are joined.

    Args:
        field: [N, X + 1, Y + 1, Z + 1] values at grid vertices, negative inside; zero is outside.
        closed: whether surfaces close on the border of the grid (beyond it the field counts as plus infinity); open
            ones end there.

    Returns:
        SurfaceTopology; empty tensors where all values have one sign and nothing closes.

    Raises:
        ValueError: where the field has no cell, 2^31 values or more, or a value that is not finite or beyond 1e30.
        MemoryError: where it does not fit.
    """
    return SurfaceTopology(*torch.ops.splatkit.find_surface(field.detach(), closed))


def surface_vertices(
    topology: SurfaceTopology,
    values: Tensor,
    points: Tensor,
    alphas: Tensor | None = None,
    betas: Tensor | None = None,
    gammas: Tensor | None = None,
    centers: bool = False,
    deviations: bool = False,
) -> tuple[Tensor, Tensor]:
    """Vertices of a surface; gradients reach values, points and all weights.

    Args:
        topology: from `find_surface`.
        values: [B] of the field at the grid vertices of active cells, with the signs that the topology was found by.
        points: [B, 3 + F] their positions, and features that vertices take over by the same weights.
        alphas: [A, 8] > 0, scale the field at the cells' corners; None: 1.
        betas: [A, 12] > 0, weigh the crossings of the cells' edges; None: 1.
        gammas: [A] > 0, weigh the diagonals of quads; None: equal ones.
        centers: whether the quads' centers follow the vertices (the form for training).
        deviations: whether to compute them.

    Returns:
        Vertices [V, 3 + F], or [V + Q, 3 + F] with centers; and for each crossing how far its distance from the vertex
        is from the vertex's mean, [S], empty if not asked for: L_dev of the paper is its mean.
    """
    parameters = (values, points, alphas, betas, gammas)
    _check_parameters(topology, parameters)
    vertices, uneven = torch.ops.splatkit.surface_vertices(*parameters, *_read(topology), centers, deviations)
    return vertices, uneven


def surface_faces(
    topology: SurfaceTopology, vertices: Tensor, gammas: Tensor | None = None, centers: bool = False
) -> Tensor:
    """Triangles [F, 3] int64, counter-clockwise seen from outside.

    Args:
        topology: from `find_surface`.
        vertices: from `surface_vertices`.
        gammas: [A] as there.
        centers: four triangles round each quad's center; otherwise two, along the diagonal with the larger product of
            gammas, and of equal ones along the shorter.
    """
    with torch.no_grad():
        return torch.ops.splatkit.surface_faces(vertices, gammas, *_read(topology), centers)


def weights_in_range(raw: Tensor, rate: float, scale: float, offset: float, places: Tensor | None = None) -> Tensor:
    """Weights offset + scale tanh(rate raw).

    Args:
        raw: [K, W] parameters, W up to 16.
        rate: of the argument.
        scale: of the hyperbolic tangent.
        offset: the weight of a parameter of zero.
        places: [M] int64, which rows are wanted, all different; -1: one of zeros, without gradients. None: all.

    Returns:
        [M, W], or [K, W].
    """
    if raw.ndim != 2:
        raise ValueError(f"raw: expected shape [K, W], got {list(raw.shape)}")
    return torch.ops.splatkit.weights_in_range(raw, places, rate, scale, offset)


class SurfaceCrossings(NamedTuple):
    """The crossed edges of all active cells, in the order of the topology: cell by cell, vertex by vertex."""

    vertices: Tensor  # [S] int64
    ends: Tensor  # [S, 2] int64 grid vertices; beyond the grid the end inside twice


def surface_crossings(topology: SurfaceTopology) -> SurfaceCrossings:
    """Which grid edges each vertex of a surface is made of."""
    edges, loops = (table.to(topology.cases.device) for table in _case_tables())
    found = edges[topology.cases.long()]  # [A, 12]
    cell, _ = (found >= 0).nonzero().unbind(-1)
    edge = found[found >= 0]
    low = (edge & 1) << (edge // 4 + 1) % 3 | (edge >> 1 & 1) << (edge // 4 + 2) % 3
    corners = torch.stack([low, low | torch.bitwise_left_shift(torch.ones_like(edge), edge // 4)], -1)
    ends = topology.corners.long()[cell[:, None], corners]
    vertices = topology.first_vertex.long()[cell] + loops[topology.cases.long()][found >= 0]
    return SurfaceCrossings(vertices, torch.where(ends < 0, ends.flip(-1), ends))


@functools.cache
def _case_tables() -> tuple[Tensor, Tensor]:
    """[256, 12] crossed edges of each case, loop by loop, and their loops; -1 behind."""
    edges, loops = torch.full((256, 12), -1), torch.full((256, 12), -1)
    for case in range(256):
        found = [(edge, number) for number, loop in enumerate(native().surface_case(case)[0]) for edge in loop]
        for place, (edge, number) in enumerate(found):
            edges[case, place], loops[case, place] = edge, number
    return edges, loops


def _check_parameters(topology: SurfaceTopology, parameters: tuple[Tensor | None, ...]) -> None:
    cells, rows = len(topology.cases), len(topology.grid_vertices)
    shapes = {"values": [rows], "points": [rows, -1], "alphas": [cells, 8], "betas": [cells, 12], "gammas": [cells]}
    for (name, shape), tensor in zip(shapes.items(), parameters, strict=True):
        if tensor is None:
            continue
        got = list(tensor.shape)
        if len(got) != len(shape) or any(w not in (-1, g) for g, w in zip(got, shape, strict=True)):
            raise ValueError(f"{name}: expected shape {shape} for the {cells} active cells, got {got}")
    if parameters[1] is not None and parameters[1].shape[1] < 3:
        raise ValueError(f"points: expected at least 3 columns, got {parameters[1].shape[1]}")


def _read(topology: SurfaceTopology) -> tuple[Tensor, ...]:
    """The part that vertices are made by, in the order of the native code."""
    t = topology
    return t.cases, t.corners, t.first_vertex, t.first_crossing, t.vertex_cells, t.quads, t.crossing_quads, t.slab_cells


def _find_native(field: Tensor, closed: bool) -> tuple[Tensor, ...]:
    if field.ndim != 4 or min(field.shape[1:]) < 2 or field.shape[0] < 1:
        raise ValueError(
            f"field: expected [N, X + 1, Y + 1, Z + 1] with at least one cell along each axis, got {list(field.shape)}"
        )
    if field.numel() > _MAX_INDEX:
        raise ValueError(f"field: {field.numel()} values exceed 32-bit indices; extract it in blocks")
    if not field.is_contiguous() and field.device.type == "cpu":
        require_memory("a dense copy of the field", field.numel() * field.element_size(), "pass a contiguous field")
    field = dense(field)
    scratch = field.new_empty(native().surface_scratch_size(field, closed), dtype=torch.uint8)
    *counts, refused = native().count_surface(field, closed, scratch, threads())
    if refused >= 0:
        place = [int(i) for i in torch.unravel_index(torch.tensor(refused), field.shape)]
        raise ValueError(f"field: expected finite values of magnitude up to 1e30, got {field[tuple(place)]} at {place}")
    topology = _empty_topology(field, closed, *counts)
    native().fill_surface(field, closed, scratch, topology, threads())
    return topology


def _empty_topology(
    field: Tensor, closed: bool, cells: Any, rows: Any, vertices: Any, crossings: Any, quads: Any
) -> tuple[Tensor, ...]:
    if isinstance(crossings, int) and max(8 * cells, 3 * rows, 4 * quads, crossings) > _MAX_INDEX:
        raise ValueError(f"field: its surface has {quads} quads, more than 32-bit indices reach; extract it in blocks")
    if isinstance(cells, int) and field.device.type == "cpu":
        count = 60 * cells + 20 * rows + 4 * vertices + 4 * crossings + 16 * quads
        require_memory("the surface", count, "extract the field in blocks")
    int64, int32 = torch.int64, torch.int32
    slabs = field.shape[0] * (field.shape[1] + (2 if closed else 0))
    return (
        field.new_empty(cells, dtype=int64),
        field.new_empty(cells, dtype=torch.uint8),
        field.new_empty(cells, 8, dtype=int32),
        field.new_empty(cells + 1, dtype=int32),
        field.new_empty(cells + 1, dtype=int32),
        field.new_empty(rows, dtype=int64),
        field.new_empty(rows, 3, dtype=int32),
        field.new_empty(vertices, dtype=int32),
        field.new_empty(quads, 4, dtype=int32),
        field.new_empty(crossings, dtype=int32),
        field.new_empty(field.shape[0] + 1, dtype=int64),
        field.new_empty(field.shape[0] + 1, dtype=int64),
        field.new_empty(slabs + 1, dtype=int64),
    )


def _find_fake(field: Tensor, closed: bool) -> tuple[Tensor, ...]:
    context = torch.library.get_ctx()
    return _empty_topology(field, closed, *(context.new_dynamic_size() for _ in range(5)))


def _dense_all(tensors: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return tuple(None if tensor is None else dense(tensor) for tensor in tensors)


def _vertices_native(*args: Any) -> tuple[Tensor, Tensor]:
    (values, *parameters), topology, (centers, deviations) = _dense_all(args[:5]), args[5:13], args[13:]
    vertices, uneven = _vertices_fake(*args)
    passed = uneven if deviations else None
    native().surface_vertices(topology, values, tuple(parameters), centers, vertices, passed, threads())
    return vertices, uneven


def _vertices_fake(*args: Any) -> tuple[Tensor, Tensor]:
    points, vertex_cells, quads, crossing_quads, _, centers, deviations = args[1], *args[9:]
    rows = vertex_cells.shape[0] + (quads.shape[0] if centers else 0)
    return points.new_empty(rows, points.shape[1]), points.new_empty(crossing_quads.shape[0] if deviations else 0)


def _backward_native(*args: Any) -> tuple[Tensor, ...]:
    (values, *parameters), topology = _dense_all(args[:5]), args[5:13]
    vertices, v_vertices, v_uneven = _dense_all(args[13:16])
    centers, deviations = args[16:]
    outputs = _backward_fake(*args)
    present = (True, True, *(parameter is not None for parameter in parameters[1:]))
    passed = tuple(output if wanted else None for output, wanted in zip(outputs, present, strict=True))
    assert values is not None
    size = native().surface_gradient_scratch_size(values, len(topology[5]), outputs[1].shape[1])
    if values.device.type == "cpu":
        require_memory("gradients of the surface", size * values.element_size(), "extract the field in blocks")
    native().surface_vertices_backward(
        topology,
        values,
        tuple(parameters),
        centers,
        vertices,
        v_vertices,
        v_uneven if deviations else None,
        passed,
        values.new_empty(size),
        threads(),
    )
    return outputs


def _backward_fake(*args: Any) -> tuple[Tensor, ...]:
    empty = args[0].new_empty(0)
    like = (x if x is not None else empty for x in args[:5])
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in like)


def _vertices_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.present = [tensor is not None for tensor in inputs[:5]]
    ctx.save_for_backward(*(tensor for tensor in inputs[:13] if tensor is not None), output[0])
    ctx.settings = inputs[13:]


def _vertices_gradient(ctx: Any, v_vertices: Tensor, v_deviations: Tensor) -> tuple[Any, ...]:
    saved = list(ctx.saved_tensors)
    parameters = [saved.pop(0) if present else None for present in ctx.present]
    *topology, vertices = saved
    gradients = torch.ops.splatkit.surface_vertices_backward(
        *parameters, *topology, vertices, v_vertices, v_deviations, *ctx.settings
    )
    kept = (g if present else None for g, present in zip(gradients, ctx.present, strict=True))
    return (*kept, *[None] * 10)


def _faces_native(vertices: Tensor, gammas: Tensor | None, *rest: Any) -> Tensor:
    topology, centers = rest[:8], rest[8]
    vertices = dense(vertices)
    faces = _faces_fake(vertices, gammas, *rest)
    corners = vertices.new_empty(0)  # values and points of grid vertices are not read
    parameters = (vertices.new_empty(0, vertices.shape[1]), None, None, None if gammas is None else dense(gammas))
    native().surface_faces(topology, corners, parameters, centers, vertices, faces, threads())
    return faces


def _faces_fake(vertices: Tensor, gammas: Tensor | None, *rest: Any) -> Tensor:
    quads, centers = rest[5], rest[8]
    return vertices.new_empty((4 if centers else 2) * quads.shape[0], 3, dtype=torch.int64)


def _range_native(raw: Tensor, places: Tensor | None, rate: float, scale: float, offset: float) -> Tensor:
    values = _range_fake(raw, places)
    if len(values) > 0:  # an empty tensor of places has no address
        native().range_values(dense(raw), places, rate, scale, offset, values, threads())
    return values


def _range_fake(raw: Tensor, places: Tensor | None, *_: float) -> Tensor:
    return raw.new_empty(raw.shape[0] if places is None else places.shape[0], raw.shape[1])


def _range_backward_native(
    values: Tensor, v_values: Tensor, places: Tensor | None, rows: int, rate: float, scale: float, offset: float
) -> Tensor:
    if len(values) == 0:
        return values.new_zeros(rows, values.shape[1])
    v_raw = values.new_empty(rows, values.shape[1])
    native().range_backward(dense(values), places, rate, scale, offset, dense(v_values), v_raw, threads())
    return v_raw


def _range_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    raw, places, *ctx.settings = inputs
    ctx.rows = raw.shape[0]
    ctx.save_for_backward(output, places)


def _range_gradient(ctx: Any, v_values: Tensor) -> tuple[Any, ...]:
    values, places = ctx.saved_tensors
    v_raw = torch.ops.splatkit.weights_in_range_backward(values, v_values, places, ctx.rows, *ctx.settings)
    return v_raw, None, None, None, None


_TOPOLOGY = (
    "Tensor cells, Tensor cases, Tensor corners, Tensor first_vertex, Tensor first_crossing, Tensor grid_vertices,"
    " Tensor coordinates, Tensor vertex_cells, Tensor quads, Tensor crossing_quads, Tensor field_vertices,"
    " Tensor field_quads, Tensor slab_cells"
)
_READ = (
    "Tensor cases, Tensor corners, Tensor first_vertex, Tensor first_crossing, Tensor vertex_cells, Tensor quads,"
    " Tensor crossing_quads, Tensor slab_cells"
)
_PARAMETERS = "Tensor values, Tensor points, Tensor? alphas, Tensor? betas, Tensor? gammas"

define(f"find_surface(Tensor field, bool closed) -> ({_TOPOLOGY})", _find_native, _find_fake)
define(
    f"surface_vertices({_PARAMETERS}, {_READ}, bool centers, bool deviations) -> (Tensor vertices, Tensor uneven)",
    _vertices_native,
    _vertices_fake,
)
define(
    f"surface_vertices_backward({_PARAMETERS}, {_READ}, Tensor vertices, Tensor v_vertices, Tensor v_uneven,"
    " bool centers, bool deviations) -> (Tensor v_values, Tensor v_points, Tensor v_alphas, Tensor v_betas,"
    " Tensor v_gammas)",
    _backward_native,
    _backward_fake,
)
differentiate("surface_vertices", _vertices_gradient, _vertices_setup)
define(f"surface_faces(Tensor vertices, Tensor? gammas, {_READ}, bool centers) -> Tensor", _faces_native, _faces_fake)
_RANGE = "float rate, float scale, float offset"
define(f"weights_in_range(Tensor raw, Tensor? places, {_RANGE}) -> Tensor", _range_native, _range_fake)
define(
    f"weights_in_range_backward(Tensor values, Tensor v_values, Tensor? places, SymInt rows, {_RANGE}) -> Tensor",
    _range_backward_native,
    lambda values, _v_values, _places, rows, *_: values.new_empty(rows, values.shape[1]),
)
differentiate("weights_in_range", _range_gradient, _range_setup)
