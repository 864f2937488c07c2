"""Pictures of a textured mesh, unlit, as a camera with any lens takes them, by rays on the CPU."""

from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.io.mesh import Mesh

_SUPERSAMPLING = 2
_ROW = 4096  # cv2.remap takes no more than 32767 points in a row


@dataclass(frozen=True)
class MeshView:
    """A picture of a mesh."""

    image: NDArray[np.float32]  # [H, W, 3] in [0, 1], black where nothing is
    coverage: NDArray[np.float32]  # [H, W] share of each pixel that the mesh covers


@dataclass(frozen=True)
class SurfaceHits:
    """What of a mesh the centers of pixels show."""

    faces: NDArray[np.int64]  # [H, W] indices; -1 where nothing is
    weights: NDArray[np.float32]  # [H, W, 3] of the face's corners, sum 1; 0 where nothing is


class MeshRenderer:
    """Renders one mesh: by its texture, else by the colors of its vertices, else gray."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(mesh.vertices, dtype=np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(mesh.faces, dtype=np.uint32)),
        )

    def render(self, posed: PosedCamera, supersampling: int = _SUPERSAMPLING) -> MeshView:
        """A picture from a camera; each pixel is the mean of several rays."""
        s, camera = supersampling, posed.camera
        colors, hit = self.colors_along(_camera_rays(posed, s))
        shape = (camera.height, s, camera.width, s)
        coverage = hit.reshape(shape).mean((1, 3), dtype=np.float32)
        total = colors.reshape(*shape, 3).mean((1, 3), dtype=np.float32)
        return MeshView(total, coverage)

    def first_hits(self, posed: PosedCamera) -> SurfaceHits:
        """The faces that a camera sees, by one ray for each pixel."""
        hit, faces, weights = self._cast(_camera_rays(posed, 1))
        shape = (posed.camera.height, posed.camera.width)
        of_pixels, shares = np.full(len(hit), -1), np.zeros((len(hit), 3), np.float32)
        of_pixels[hit], shares[hit] = faces, weights
        return SurfaceHits(of_pixels.reshape(shape), shares.reshape(*shape, 3))

    def colors_along(self, rays: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Colors [N, 3] in [0, 1] of what rays [N, 6] hit first, black where nothing, and which hit."""
        hit, faces, weights = self._cast(rays)
        colors = np.zeros((len(rays), 3), np.float32)
        colors[hit] = self._surface_colors(faces, weights)
        return colors, hit

    def _cast(self, rays: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float32]]:
        """Which rays [N, 6] hit, and of the M that do face and weights of its corners: [N], [M], [M, 3]."""
        answer = self._scene.cast_rays(o3d.core.Tensor(rays))
        hit = np.isfinite(answer["t_hit"].numpy())
        faces = answer["primitive_ids"].numpy()[hit].astype(np.int64)
        uv = answer["primitive_uvs"].numpy()[hit]
        return hit, faces, np.concatenate([1 - uv.sum(1, keepdims=True), uv], 1).astype(np.float32)

    def _surface_colors(self, faces: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        mesh = self._mesh
        if mesh.texture is not None:
            places = np.einsum("nc,ncd->nd", weights, mesh.texture.uvs[mesh.texture.faces[faces]].astype(np.float32))
            return _look_up(mesh.texture.image, places)
        if mesh.vertex_colors is not None:
            corners = mesh.vertex_colors[mesh.faces[faces]].astype(np.float32)
            return np.asarray(np.einsum("nc,ncd->nd", weights, corners) / 255, dtype=np.float32)
        return np.full((len(faces), 3), 0.7, np.float32)


def _camera_rays(posed: PosedCamera, per_side: int) -> NDArray[np.float32]:
    """Rays [N, 6] of a camera, `per_side` x `per_side` evenly in each pixel, row by row."""
    s, camera = per_side, posed.camera
    rows, columns = np.mgrid[0 : camera.height * s, 0 : camera.width * s]
    pixels = (np.stack([columns.ravel(), rows.ravel()], -1) + 0.5) / s
    tangents = np.nan_to_num(camera.tangents(pixels), nan=1e6)
    rays = np.empty((len(pixels), 6), np.float32)
    rays[:, :3] = posed.center
    rays[:, 3:] = np.column_stack([tangents, np.ones(len(tangents))]) @ posed.T_world_camera[:3, :3].T
    return rays


def _look_up(image: NDArray[np.uint8], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colors [N, 3] in [0, 1] at places [N, 2] in [0, 1], v up, by bilinear interpolation."""
    height, width = image.shape[:2]
    rows = max(1, -(-len(places) // _ROW))
    pixels = np.zeros((rows * _ROW, 2), np.float32)
    pixels[: len(places), 0] = places[:, 0] * width - 0.5
    pixels[: len(places), 1] = (1 - places[:, 1]) * height - 0.5
    x, y = pixels.T.reshape(2, rows, _ROW).copy()
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return (sampled.reshape(-1, 3)[: len(places)] / np.float32(255)).astype(np.float32)
