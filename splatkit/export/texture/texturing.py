"""A mesh colored by the photographs that it was made from: as a texture, or at its vertices.

Photographs are read one at a time, the next one while the last one is worked on. What each point keeps of them is
bounded, so that memory depends on the texture's size alone.
"""

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.export.texture.blending import Blend, Samples, blend, solve_gains
from splatkit.export.texture.consensus import find_agreement
from splatkit.export.texture.mesh_colors import spread_colors, vertex_normals
from splatkit.export.texture.photographs import read_measured, read_photograph
from splatkit.export.texture.resolution import face_resolutions
from splatkit.export.texture.settings import BYTES_PER_TEXEL, PACKED_SHARE, TextureSettings
from splatkit.export.texture.texels import Texels, fill_gaps, rasterize_texels
from splatkit.export.texture.unwrapping import Unwrapping, unwrap
from splatkit.export.texture.visibility import MeshDepths, Observer
from splatkit.export.timing import StepTimer
from splatkit.io.mesh import Mesh, Texture
from splatkit.progress import Progress, no_progress, track
from splatkit.runs.views import RunView

Array = NDArray[np.float32]

_SMALLEST = 256  # texels
_CHUNK = 1 << 18  # points at a time and thread
_GAIN_POINTS = 400_000


@dataclass(frozen=True)
class ColoredMesh:
    """A mesh with colors, and how it came by them."""

    mesh: Mesh
    record: dict[str, Any]  # for export.json


def color_mesh(
    mesh: Mesh, views: Sequence[RunView], settings: TextureSettings, progress: Progress = no_progress
) -> ColoredMesh:
    """Project photographs onto a mesh.

    Args:
        mesh: V vertices, F faces that face outward; colors of vertices fill what no photograph shows.
        views: at least one, in the frame of the mesh.
        settings: see there.
        progress: shows how many photographs are done.

    Raises:
        DatasetError: a photograph cannot be read; it is named.
        ValueError: the texture is too small for so many triangles.
    """
    if settings.texture == "none":
        return ColoredMesh(mesh, {"texture": "none"})
    if not views:
        raise ValueError("views: expected at least one photograph to take colors from")
    normals, depths = vertex_normals(mesh), MeshDepths(mesh)
    if settings.texture == "vertices":
        return _color_vertices(mesh, depths, normals, views, settings, progress)
    return _paint_image(mesh, depths, normals, views, settings, progress)


def _color_vertices(
    mesh: Mesh,
    depths: MeshDepths,
    normals: Array,
    views: Sequence[RunView],
    settings: TextureSettings,
    progress: Progress,
) -> ColoredMesh:
    timer = StepTimer()
    surface = _Points(mesh.vertices.astype(np.float32), normals, np.zeros(0, np.int64))
    with timer.step("photographs"):
        samples, left_out = _gather(mesh, depths, surface, views, 1, settings, progress)
        colors, gains = _mix(samples, settings)
    colors = spread_colors(mesh, colors, samples.seen())
    record = _record(settings, float(samples.seen().mean()), gains) | left_out | {"seconds": timer.seconds}
    return ColoredMesh(replace(mesh, vertex_colors=_rounded(colors), vertex_normals=normals), record)


def color_points(
    mesh: Mesh,
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    views: Sequence[RunView],
    settings: TextureSettings,
    progress: Progress = no_progress,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colors [N, 3] of points [N, 3] of a mesh with normals [N, 3], and which of them photographs show."""
    surface = _Points(points.astype(np.float32), normals.astype(np.float32), np.zeros(0, np.int64))
    samples, _ = _gather(mesh, MeshDepths(mesh), surface, views, 1, settings, progress)
    return _rounded(_mix(samples, settings)[0]), samples.seen()


def _paint_image(
    mesh: Mesh,
    depths: MeshDepths,
    normals: Array,
    views: Sequence[RunView],
    settings: TextureSettings,
    progress: Progress,
) -> ColoredMesh:
    """Texels and vertices together: the latter fill what no photograph shows."""
    timer = StepTimer()
    with timer.step("unwrapping"):
        resolutions = face_resolutions(mesh, depths, views)
        pixels = float((mesh.face_areas() * resolutions**2).sum())
        size = settings.texture_size or _chosen_size(pixels, len(mesh.faces), settings)
        unwrapping = unwrap(mesh, resolutions, size, settings.unwrap_timeout_s, settings.texture_memory_gb)
    with timer.step("photographs"):
        texels = rasterize_texels(unwrapping.uvs, unwrapping.faces, size)
        reduction = _reduction(pixels / len(texels.index))
        points = _texel_points(mesh, normals, texels)
        samples, left_out = _gather(mesh, depths, points, views, reduction, settings, progress)
    with timer.step("blending"):
        colors, gains = _mix(samples, settings)
        count, seen = len(texels.index), samples.seen()
        of_vertices = spread_colors(mesh, colors[count:], seen[count:])
        painted, shown, inside = colors[:count], seen[:count], texels.inside()
        painted[~shown] = texels.interpolate(mesh.faces, of_vertices)[~shown]
        known = shown | inside  # beside a chart, what no photograph shows takes the nearest colors
        texture = _paint(unwrapping, texels.index[known], painted[known], size, settings)
    record = _record(settings, float(shown[inside].mean()), gains) | left_out
    record |= {
        "size": size,
        "unwrapping": unwrapping.method,
        "unwrapping_failures": list(unwrapping.failures),
        "photographs_reduced_by": reduction,
        "seconds": timer.seconds,
    }
    vertex_colors = _rounded(of_vertices)
    return ColoredMesh(replace(mesh, vertex_colors=vertex_colors, vertex_normals=normals, texture=texture), record)


def _chosen_size(pixels: float, faces: int, settings: TextureSettings) -> int:
    """The power of two that holds so many pixels and faces, within the limits."""
    wanted = 2 ** math.ceil(math.log2(max(math.sqrt(max(pixels, 8.0 * faces) / PACKED_SHARE), _SMALLEST)))
    within = math.sqrt(settings.texture_memory_gb * 1e9 / BYTES_PER_TEXEL)
    return int(min(wanted, settings.max_texture_size, 2 ** math.floor(math.log2(within))))


def _reduction(pixels_per_texel: float) -> int:
    """Photographs are averaged down so far that their pixels are not finer than texels."""
    return max(1, round(math.sqrt(pixels_per_texel)))


@dataclass(frozen=True)
class _Points:
    """Places to color: texels, if any, then vertices."""

    places: Array  # [N, 3]
    normals: Array  # [N, 3] unit
    texel_faces: NDArray[np.int64]  # [T] face of each texel


def _texel_points(mesh: Mesh, normals: Array, texels: Texels) -> _Points:
    vertices = mesh.vertices.astype(np.float32)
    turned = texels.interpolate(mesh.faces, normals)
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    places = np.concatenate([texels.interpolate(mesh.faces, vertices), vertices])
    return _Points(places, np.concatenate([turned, normals]), texels.face)


def _gather(
    mesh: Mesh,
    depths: MeshDepths,
    surface: _Points,
    views: Sequence[RunView],
    reduction: int,
    settings: TextureSettings,
    progress: Progress,
) -> tuple[Samples, dict[str, float]]:
    """Look at all points in all photographs; and what of these was left out, for the record."""
    points, normals, faces = surface.places, surface.normals, surface.texel_faces
    samples = Samples(len(points), len(views))
    vertices, vertex_normals_ = points[len(faces) :], normals[len(faces) :]
    mesh_faces = np.asarray(mesh.faces, dtype=np.int64)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    agreement = find_agreement(views, depths, workers, progress) if settings.blending == "robust" else None
    maps = [None] * len(views) if agreement is None else agreement.maps
    covered = 0.0
    with ThreadPoolExecutor(workers) as pool:
        observers = track(_observers(views, depths, maps, reduction), "coloring", progress, len(views))
        for index, observer in enumerate(observers):
            near = observer.may_see(vertices, vertex_normals_)
            candidates = len(faces) + np.flatnonzero(near)
            if len(faces):
                near_faces = near[mesh_faces].any(1)
                near_faces[observer.faces] = True
                candidates = np.concatenate([np.flatnonzero(near_faces[faces]), candidates])

            def look(chunk: NDArray[np.int64], index: int = index, observer: Observer = observer) -> None:
                samples.add(index, observer.observe(chunk, points[chunk], normals[chunk]))

            chunks = [candidates[start : start + _CHUNK] for start in range(0, len(candidates), _CHUNK)]
            list(pool.map(look, chunks))
            covered += observer.covered / len(views)
    outvoted = 0.0 if agreement is None else agreement.outvoted
    return samples, {"covered_share": covered, "outvoted_share": outvoted}


def _observers(
    views: Sequence[RunView], depths: MeshDepths, maps: Sequence[Array | None], reduction: int
) -> Iterator[Observer]:
    """One for each view; the next one is made while the last one is used."""

    def make(index: int) -> Observer:
        view = views[index]
        return Observer(read_photograph(view, reduction), depths, read_measured(view), maps[index])

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, 0)
        for following in range(1, len(views) + 1):
            observer = coming.result()
            if following < len(views):
                coming = pool.submit(make, following)
            yield observer


def _mix(samples: Samples, settings: TextureSettings) -> tuple[Array, Array]:
    """Colors [N, 3] of all points, and gains [views, 3] of the photographs."""
    count = len(samples.qualities)
    gains = np.ones((samples.views, 3), np.float32)
    if settings.blending == "robust":
        gains = solve_gains(samples, np.arange(0, count, max(1, count // _GAIN_POINTS)))
    return blend(samples, Blend(gains, settings.blending == "robust")), gains


def _paint(
    unwrapping: Unwrapping, index: NDArray[np.int64], colors: Array, size: int, settings: TextureSettings
) -> Texture:
    """An image with colors [T, 3] at T of its texels."""
    image, known = np.zeros((size * size, 3), np.float32), np.zeros(size * size, bool)
    image[index], known[index] = colors, True
    filled = fill_gaps(image.reshape(size, size, 3), known.reshape(size, size))
    suffix: Literal[".jpg", ".png"] = ".png" if settings.texture_format == "png" else ".jpg"
    return Texture(_rounded(filled), unwrapping.uvs, unwrapping.faces, suffix)


def _rounded(colors: Array) -> NDArray[np.uint8]:
    return np.clip(colors + 0.5, 0, 255).astype(np.uint8)


def _record(settings: TextureSettings, share: float, gains: Array) -> dict[str, Any]:
    stops = 2.2 * np.log2(1 / gains.mean(1))  # display values are light to the power 1 / 2.2
    return {
        "settings": asdict(settings),
        "photographs": len(gains),
        "seen_share": share,
        "exposures_stops": {"lowest": float(stops.min()), "highest": float(stops.max())},
    }
