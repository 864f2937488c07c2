"""Charts that always come out, within seconds for millions of triangles: the surface seen along the axes.

Each face belongs to the axis that it looks along most; neighbors of one axis and one resolution are one chart, drawn as
it is seen from there, which stretches it by the square root of 3 at most. Charts of few faces take the axis of a larger
neighbor that sees all of them, however much from their side. Where a chart lies over itself, as a spiral stair does,
the faces on top become charts of their own. Charts are packed on shelves (next-fit by decreasing height).
"""

import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from scipy.sparse import coo_array

from splatkit.export.texture.charts import face_pairs, find_charts, merge_corners, scale_charts
from splatkit.geometry.triangles import TriangleMesh

_ROUNDS = 4  # of giving faces to the axis of their neighbors, so that roughness does not make charts
_STEEPEST = 0.35  # cosine to the axis of the neighbors, for a face to join them
_FEW = 50  # faces of a chart that is to join another
_SEEN_BY_FEW = (
    0.17  # cosine to its axis for all of them: 80 degrees; what photographs see from lower is not used either
)
_JOINING_ROUNDS = 4
_MARGIN = 1.5  # texels around a chart
_MOST_REPAIRS = 3
_ROWS = 256

Array = NDArray[np.float64]


def project_charts(
    mesh: TriangleMesh, resolutions: NDArray[np.floating], size: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Places in a square texture.

    Args:
        mesh: F triangles.
        resolutions: [F] texels along a unit of length, as far as they fit; neighbors of one are one chart.
        size: of the texture, texels.

    Returns:
        uvs [T, 2] in [0, 1] and faces [F, 3] of them.

    Raises:
        ValueError: the texture is too small for so many charts.
    """
    corners, crosses = _corners(mesh)
    pairs = face_pairs(mesh.faces)
    areas = np.linalg.norm(crosses, axis=1) / 2
    axes = _axes(crosses, pairs)
    flat = _seen_along(corners, axes)
    charts = find_charts(pairs, axes + 6 * np.unique(resolutions, return_inverse=True)[1])
    for _ in range(_MOST_REPAIRS):
        places = _pack(scale_charts(flat, charts, areas, resolutions), charts, size)
        on_top = _covered_twice(places, size)
        if len(on_top) == 0:
            break
        charts[on_top] = charts.max() + 1 + np.arange(len(on_top))
        charts = np.unique(charts, return_inverse=True)[1].reshape(-1)
    places = _pack(scale_charts(flat, charts, areas, resolutions), charts, size)
    uvs, faces = merge_corners(places / size, charts, mesh.faces)
    return uvs.astype(np.float32), faces


def count_charts(mesh: TriangleMesh) -> int:
    """How many charts `project_charts` would make if all resolutions were the same and none lay over itself."""
    pairs = face_pairs(mesh.faces)
    return int(find_charts(pairs, _axes(_corners(mesh)[1], pairs)).max()) + 1


def _corners(mesh: TriangleMesh) -> tuple[Array, Array]:
    """Corners [F, 3, 3] of faces and their normals [F, 3] times twice their areas."""
    corners = np.asarray(mesh.vertices, dtype=np.float64)[mesh.faces]
    return corners, np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _axes(crosses: Array, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """[F] the axis that each face is seen along, 0 to 5 for +x, +y, +z, -x, -y, -z."""
    lengths = np.linalg.norm(crosses, axis=1, keepdims=True)
    normals = np.divide(crosses, lengths, out=np.zeros_like(crosses), where=lengths > 0)
    along = np.concatenate([normals, -normals], 1)
    axes = along.argmax(1)
    count = len(axes)
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    for _ in range(_ROUNDS):
        votes = coo_array((np.ones(len(rows)), (rows, axes[columns])), shape=(count, 6)).toarray()
        votes[np.arange(count), axes] += 0.5
        axes = np.where(along > _STEEPEST, votes, -1).argmax(1)
    return _with_small_joined(axes, along, pairs)


def _with_small_joined(axes: NDArray[np.int64], along: Array, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Axes [F] where charts of few faces took that of larger neighbors, by the number of edges; `along` [F, 6]."""
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    for _ in range(_JOINING_ROUNDS):
        charts = find_charts(pairs, axes)
        faces = np.bincount(charts)
        shape = (len(faces), 6)
        borders = (faces[charts[one]] < _FEW) & (faces[charts[other]] > faces[charts[one]])
        asking = (charts[one[borders]], axes[other[borders]])
        edges = coo_array((np.ones(int(borders.sum())), asking), shape=shape).toarray()
        steepest = np.full(shape, np.inf)
        np.minimum.at(steepest, charts, along)
        edges[steepest < _SEEN_BY_FEW] = 0
        joining = edges.max(1) > 0
        if not joining.any():
            break
        axes = np.where(joining[charts], edges.argmax(1)[charts], axes)
    return axes


def _seen_along(corners: Array, axes: NDArray[np.int64]) -> Array:
    """[F, 3, 2] corners as seen from the end of each face's axis, counter-clockwise for faces that look there."""
    flat = np.empty((*corners.shape[:2], 2))
    for axis in range(6):
        mine = axes == axis
        right, up = [(1, 2), (2, 0), (0, 1)][axis % 3]
        flat[mine, :, 0] = corners[mine][:, :, right] * (1 if axis < 3 else -1)
        flat[mine, :, 1] = corners[mine][:, :, up]
    return flat


def _pack(flat: Array, charts: NDArray[np.int64], size: int) -> Array:
    """[F, 3, 2] corners in texels: charts on shelves, as large as they all fit."""
    count = int(charts.max()) + 1
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, charts, flat.min(1))
    np.maximum.at(high, charts, flat.max(1))
    extents = high - low
    lying = extents[:, 0] < extents[:, 1]  # taller than wide: turned, for fuller shelves
    extents[lying] = extents[lying][:, ::-1]
    order = np.argsort(-extents[:, 1], kind="stable")
    smallest, largest = 0.0, size / max(float(extents.max()), 1e-30)
    if _shelves(extents[order] * smallest, size) is None:
        raise ValueError(f"texture size: {size} px do not hold {count} charts; choose a larger one, or fewer faces")
    for _ in range(30):
        middle = (smallest + largest) / 2
        smallest, largest = (
            (middle, largest) if _shelves(extents[order] * middle, size) is not None else (smallest, middle)
        )
    found = _shelves(extents[order] * smallest, size)
    assert found is not None  # it was at the last step
    origins = np.empty((count, 2))
    origins[order] = found
    local = (flat - low[charts][:, None]) * smallest
    turned = lying[charts]
    # A quarter turn, not a swap, keeps faces counter-clockwise.
    heights = (high - low)[charts[turned], 1][:, None] * smallest
    local[turned] = np.stack([heights - local[turned][..., 1], local[turned][..., 0]], -1)
    return np.asarray(local + origins[charts][:, None] + _MARGIN)


def _shelves(extents: Array, size: int) -> Array | None:
    """Lower left corners [C, 2] of rectangles by decreasing height; None where they do not fit."""
    boxes = np.ceil(extents + 2 * _MARGIN)
    if boxes[:, 0].max() > size:
        return None
    ends = np.cumsum(boxes[:, 0])
    origins = np.empty_like(boxes)
    start, bottom = 0, 0.0
    while start < len(boxes):
        if bottom + boxes[start, 1] > size:
            return None
        before = ends[start] - boxes[start, 0]
        stop = int(np.searchsorted(ends, before + size, side="right"))
        origins[start:stop, 0] = ends[start:stop] - boxes[start:stop, 0] - before
        origins[start:stop, 1] = bottom
        bottom += boxes[start, 1]
        start = stop
    return origins


def _covered_twice(places: Array, size: int) -> NDArray[np.int64]:
    """Faces that lie over another face at a texel's center."""
    flat = np.zeros((len(places) * 3, 3), np.float32)
    flat[:, :2] = places.reshape(-1, 2)
    faces = np.arange(len(flat), dtype=np.uint32).reshape(-1, 3)
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(flat), o3d.core.Tensor(faces))
    found = []
    for start in range(0, size, _ROWS):
        row, column = np.mgrid[start : min(start + _ROWS, size), 0:size]
        rays = np.zeros((row.size, 6), np.float32)
        rays[:, 0], rays[:, 1], rays[:, 2], rays[:, 5] = column.ravel() + 0.5, row.ravel() + 0.5, 1, -1
        several = scene.count_intersections(o3d.core.Tensor(rays)).numpy() > 1
        if several.any():
            answer = scene.list_intersections(o3d.core.Tensor(rays[several]))
            splits, hits = answer["ray_splits"].numpy(), answer["primitive_ids"].numpy().astype(np.int64)
            kept = np.zeros(len(hits), bool)
            kept[splits[:-1]] = True  # one of each may stay
            found.append(hits[~kept])
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
