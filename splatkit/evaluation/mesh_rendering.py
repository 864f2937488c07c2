"""Pictures of a textured mesh, unlit, as a camera with any lens takes them, by rays on the CPU; how true they are."""

from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.io.mesh import Mesh

_SUPERSAMPLING = 2
_ROW = 4096  # cv2.remap takes no more than 32767 points in a row
_LEAST_COVERED = 0.999  # of a pixel, to be compared


@dataclass(frozen=True)
class MeshView:
    """A picture of a mesh."""

    image: NDArray[np.float32]  # [H, W, 3] in [0, 1], black where nothing is
    coverage: NDArray[np.float32]  # [H, W] share of each pixel that the mesh covers


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
        rows, columns = np.mgrid[0 : camera.height * s, 0 : camera.width * s]
        pixels = (np.stack([columns.ravel(), rows.ravel()], -1) + 0.5) / s
        tangents = np.nan_to_num(camera.tangents(pixels), nan=1e6)
        rays = np.empty((len(pixels), 6), np.float32)
        rays[:, :3] = posed.center
        rays[:, 3:] = np.column_stack([tangents, np.ones(len(tangents))]) @ posed.T_world_camera[:3, :3].T
        colors, hit = self.colors_along(rays)
        shape = (camera.height, s, camera.width, s)
        coverage = hit.reshape(shape).mean((1, 3), dtype=np.float32)
        total = colors.reshape(*shape, 3).mean((1, 3), dtype=np.float32)
        return MeshView(total, coverage)

    def colors_along(self, rays: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Colors [N, 3] in [0, 1] of what rays [N, 6] hit first, black where nothing, and which hit."""
        answer = self._scene.cast_rays(o3d.core.Tensor(rays))
        hit = np.isfinite(answer["t_hit"].numpy())
        faces = answer["primitive_ids"].numpy()[hit].astype(np.int64)
        uv = answer["primitive_uvs"].numpy()[hit]
        weights = np.concatenate([1 - uv.sum(1, keepdims=True), uv], 1).astype(np.float32)
        colors = np.zeros((len(rays), 3), np.float32)
        colors[hit] = self._surface_colors(faces, weights)
        return colors, hit

    def _surface_colors(self, faces: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        mesh = self._mesh
        if mesh.texture is not None:
            places = np.einsum("nc,ncd->nd", weights, mesh.texture.uvs[mesh.texture.faces[faces]].astype(np.float32))
            return _look_up(mesh.texture.image, places)
        if mesh.vertex_colors is not None:
            corners = mesh.vertex_colors[mesh.faces[faces]].astype(np.float32)
            return np.asarray(np.einsum("nc,ncd->nd", weights, corners) / 255, dtype=np.float32)
        return np.full((len(faces), 3), 0.7, np.float32)


@dataclass(frozen=True)
class ViewScore:
    """How close a view of a mesh is to a photograph, where the mesh covers it."""

    psnr: float  # dB, over the pixels that the mesh covers
    psnr_exposed: float  # dB, after one factor for each channel: photographs may differ in exposure
    coverage: float  # share of the photograph's usable pixels that the mesh covers


def score_view(view: MeshView, photograph: NDArray[np.uint8], usable: NDArray[np.bool_]) -> ViewScore:
    """Compare a view with a photograph [H, W, 3], of which the pixels `usable` [H, W] count."""
    covered = usable & (view.coverage > _LEAST_COVERED)
    if not covered.any():
        return ViewScore(0.0, 0.0, 0.0)
    image, target = view.image[covered].astype(np.float64), photograph[covered] / 255.0
    factor = (image * target).sum(0) / np.maximum((image * image).sum(0), 1e-12)
    errors = [np.square(np.clip(each, 0, 1) - target).mean() for each in (image, image * factor)]
    first, second = (float(-10 * np.log10(max(error, 1e-12))) for error in errors)
    return ViewScore(first, second, float(covered.sum() / usable.sum()))


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
