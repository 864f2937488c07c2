"""Pictures of a mesh from several sides, traced on the CPU: no display, no OpenGL."""

from collections.abc import Sequence

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from splatkit.geometry.triangles import TriangleMesh

_SUPERSAMPLING = 2
_FIELD_OF_VIEW_DEG = 35.0  # of the shorter side
_STRAY_SHARE = 0.001  # this share of the vertices may lie outside the frame: a few stray ones must not shrink the rest
_MARGIN = 1.04
_AMBIENT = 0.5
_CLAY = np.array([0.80, 0.78, 0.75])
_PAPER = np.array([1.0, 1.0, 1.0])
_LINE = np.array([0.16, 0.20, 0.28])
_LINE_PX = 0.45  # half the width of a triangle's edge
_BACK_FACE = np.array([0.55, 0.35, 0.35])  # the inside of a surface: a hole or flipped triangles show at once


def render_mesh_views(
    mesh: TriangleMesh,
    vertex_colors: NDArray[np.uint8] | None,
    views: int | Sequence[float] = 4,
    elevation_deg: float = 30.0,
    size: tuple[int, int] = (480, 360),
    *,
    edges: bool = False,
    frame: TriangleMesh | None = None,
) -> list[NDArray[np.uint8]]:
    """A mesh, z up, from all around, filling the picture.

    Args:
        mesh: at least one triangle.
        vertex_colors: [V, 3] sRGB; None shows the bare shape in the color of clay.
        views: number of evenly spaced azimuths, or the azimuths in degrees.
        elevation_deg: of the cameras above the mesh's center.
        size: (width, height) px.
        edges: whether to draw the triangles' edges.
        frame: another mesh that fills the pictures instead, so that several meshes are shown alike.

    Returns:
        A picture for each azimuth, [height, width, 3] uint8.
    """
    vertices = np.ascontiguousarray(mesh.vertices, dtype=np.float32)
    faces = np.ascontiguousarray(mesh.faces, dtype=np.uint32)
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor.from_numpy(vertices), o3d.core.Tensor.from_numpy(faces))
    colors = np.tile(_CLAY, (len(vertices), 1)) if vertex_colors is None else vertex_colors / 255
    framed = mesh if frame is None else frame
    used = np.asarray(framed.vertices, dtype=np.float64)[np.unique(framed.faces)]
    low, high = np.quantile(used, (_STRAY_SHARE, 1 - _STRAY_SHARE), axis=0)
    center = (low + high) / 2
    azimuths = 360 * (np.arange(views) + 0.125) / views if isinstance(views, int) else np.array(views)
    cameras = [_camera_axes(azimuth, np.deg2rad(elevation_deg)) for azimuth in np.deg2rad(azimuths)]
    distance = max(_fitting_distance((used - center) @ axes.T, size) for axes in cameras)
    corners = vertices[faces.astype(np.int64)] if edges else None
    return [
        _shade(scene, _camera_rays(center, axes, distance, size), faces.astype(np.int64), colors, size, corners)
        for axes in cameras
    ]


def _camera_axes(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """[3, 3] rows right, up and backward of an upright camera that looks at the mesh from that side."""
    cos = np.cos(elevation)
    backward = np.array([cos * np.cos(azimuth), cos * np.sin(azimuth), np.sin(elevation)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    return np.stack([right, np.cross(backward, right), backward])


def _tangents(size: tuple[int, int]) -> NDArray[np.float64]:
    """Tangents of half the horizontal and vertical fields of view."""
    return np.tan(np.deg2rad(_FIELD_OF_VIEW_DEG) / 2) * np.array(size) / min(size)


def _fitting_distance(local: NDArray[np.float64], size: tuple[int, int]) -> float:
    """How far from the center a camera must stand to see nearly all points [N, 3], given along its axes."""
    needed = (np.abs(local[:, :2]) / _tangents(size)).max(-1) + local[:, 2]
    return _MARGIN * float(np.quantile(needed, 1 - _STRAY_SHARE))


def _camera_rays(
    center: NDArray[np.floating], axes: NDArray[np.floating], distance: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Rays [N, 6] of a camera that stands `distance` behind `center`."""
    width, height = size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING
    tangents = _tangents(size)
    x = (2 * (np.arange(width) + 0.5) / width - 1) * tangents[0]
    y = (1 - 2 * (np.arange(height) + 0.5) / height) * tangents[1]
    directions = x[None, :, None] * axes[0] + y[:, None, None] * axes[1] - axes[2]
    rays = np.empty((height * width, 6), np.float32)
    rays[:, :3], rays[:, 3:] = center + distance * axes[2], directions.reshape(-1, 3)
    return rays


def _shade(
    scene: o3d.t.geometry.RaycastingScene,
    rays: NDArray[np.float32],
    faces: NDArray[np.int64],
    colors: NDArray[np.floating],
    size: tuple[int, int],
    edge_corners: NDArray[np.floating] | None,
) -> NDArray[np.uint8]:
    """Lambert's law under a lamp beside the camera; edges of the triangles edge_corners [F, 3, 3] are drawn."""
    hits = {name: value.numpy() for name, value in scene.cast_rays(o3d.core.Tensor.from_numpy(rays)).items()}
    mask = np.isfinite(hits["t_hit"])
    directions = rays[mask, 3:] / np.linalg.norm(rays[mask, 3:], axis=-1, keepdims=True)
    normals = hits["primitive_normals"][mask]
    uv = hits["primitive_uvs"][mask]
    weights = np.concatenate([1 - uv.sum(-1, keepdims=True), uv], axis=-1)
    albedo = np.einsum("mc,mcd->md", weights, colors[faces[hits["primitive_ids"][mask]]])
    facing = -np.einsum("md,md->m", normals, directions)
    albedo = np.where(facing[:, None] > 0, albedo, _BACK_FACE)
    if edge_corners is not None:
        pixel = hits["t_hit"][mask] * (2 * _tangents(size)[0] / size[0])
        near = _edge_distances(edge_corners[hits["primitive_ids"][mask]], weights) < _LINE_PX * pixel
        albedo = np.where(near[:, None], _LINE, albedo)
    lamp = np.array([0.3, 0.2, 0.6]) - directions.mean(0)
    lamp /= np.linalg.norm(lamp)
    lambert = np.clip(np.where(facing > 0, 1, -1) * (normals @ lamp), 0, 1)
    picture = np.tile(_PAPER, (len(rays), 1))
    picture[mask] = albedo * (_AMBIENT + (1 - _AMBIENT) * lambert)[:, None]
    width, height = size
    picture = picture.reshape(height, _SUPERSAMPLING, width, _SUPERSAMPLING, 3).mean((1, 3))
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def _edge_distances(corners: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """[M] distances of points, by their weights [M, 3], from the nearest edges of their triangles [M, 3, 3]."""
    opposite = corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]
    double_area = np.linalg.norm(np.cross(opposite[:, 0], opposite[:, 1]), axis=-1, keepdims=True)
    heights = double_area / np.maximum(np.linalg.norm(opposite, axis=-1), np.finfo(np.float32).tiny)
    return np.asarray((weights * heights).min(-1))
