"""Which points of a surface a photograph shows, how well, and in what color.

A depth map of the mesh tells what is hidden: drawn by rays through the pixels of the photograph's own lens, it stands
for every lens alike. 1 / z is affine in the pixels over a plane, so that it is interpolated without error, and where
its second difference is not zero one surface ends before another. There photographs mix both, and a pose that is
slightly off takes the wrong one: such pixels count little. Where something was measured nearer than the mesh, as a tree
before a facade that is all the mesh has, a photograph does not show the mesh at all.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from splatkit.export.texture.photographs import Photograph, reduced_camera
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.triangles import TriangleMesh
from splatkit.io.maps.depth_maps import DepthMap

_DEPTH_PIXELS = 400_000  # a depth map has fewer pixels than this, or half a photograph's where that has twice as many
_TOLERANCE_PX = 3.0  # depths agree within so many footprints of a pixel
_JUMP_PX = 4.0  # a second difference of so many footprints is an edge
_EDGE_PX = 3.0  # around an edge the weight rises over so many pixels
_EDGE_WEIGHT = 0.01  # of the surface in front at its very edge: some things are nothing but edges
_BORDER = 0.05  # of the shorter side: over it the weight rises from the border of a photograph
_LEAST_BORDER = 0.05
_MIN_COSINE = 0.17  # 80 degrees; what is seen at a lower angle is smeared
_SATURATED, _SATURATED_WEIGHT = 252, 0.1  # of 255: the true color may be brighter
# What is nearer than the mesh by more than so many footprints and so many deviations covers it. Depths whose deviation
# is not known may be off by this share.
_NEARER_PX, _NEARER_SIGMAS, _UNKNOWN_SIGMA = 8.0, 5.0, 0.01
_AROUND = np.ones((5, 5), np.uint8)  # px: the nearest depth of the mesh is looked for in it; it may be off at its edges
_NEARER_SHARE = 1 / 3  # of what was measured in 3 by 3 pixels: less are measurements that are off
_COVERED_PX = 4  # around what covers the mesh, photographs show a mixture
_SURE_PX, _SURE_TRUST = 1.0, 0.3  # footprints within which depths agree, and trust, of what is surely seen
_ROW = 4096  # cv2.remap takes no more than 32767 points in a row


@dataclass(frozen=True)
class Observation:
    """What a photograph shows of some points."""

    points: NDArray[np.int64]  # [M] which
    colors: NDArray[np.uint8]  # [M, 3]
    qualities: NDArray[np.float32]  # [M] pixels in a square unit of the surface, times what lowers trust; > 0


@dataclass(frozen=True)
class Glance:
    """What a photograph shows of some points, as far as that is sure."""

    points: NDArray[np.int64]  # [M] which
    colors: NDArray[np.uint8]  # [M, 3]
    pixels: NDArray[np.float32]  # [M, 2] where in the photograph


class MeshDepths:
    """A mesh that rays are cast at."""

    def __init__(self, mesh: TriangleMesh) -> None:
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(mesh.vertices, dtype=np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(mesh.faces, dtype=np.uint32)),
        )

    def look(self, posed: PosedCamera) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """1 / z [H, W] at pixel centers, 0 where nothing is, and the faces that are seen there."""
        rows, columns = np.mgrid[0 : posed.camera.height, 0 : posed.camera.width]
        pixels = np.stack([columns.ravel(), rows.ravel()], -1) + 0.5
        depths, answer, _ = self._cast(posed, pixels)
        faces = np.unique(answer["primitive_ids"].numpy()[np.isfinite(depths)].astype(np.int64))
        return (1 / depths).astype(np.float32).reshape(rows.shape), faces

    def under(self, posed: PosedCamera, pixels: NDArray[np.floating]) -> tuple[NDArray[np.float32], ...]:
        """Points [M, 3] of the mesh under those of the pixels [N, 2] that show any, and its normals [M, 3] there."""
        depths, answer, rays = self._cast(posed, pixels)
        hit = np.isfinite(depths)
        return rays[hit, :3] + depths[hit, None] * rays[hit, 3:], answer["primitive_normals"].numpy()[hit]

    def resolutions(self, posed: PosedCamera, count: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Faces [M] under a grid of about `count` pixels, and pixels along a unit of length of the surface there."""
        camera = posed.camera
        step = max(1.0, np.sqrt(camera.width * camera.height / count))
        x, y = np.meshgrid(np.arange(step / 2, camera.width, step), np.arange(step / 2, camera.height, step))
        depths, answer, rays = self._cast(posed, np.stack([x.ravel(), y.ravel()], -1))
        rays, normals = rays[:, 3:], answer["primitive_normals"].numpy()
        cosines = np.abs((rays * normals).sum(1)) / np.maximum(np.linalg.norm(rays, axis=1), 1e-12)
        sure = np.isfinite(depths) & (cosines > _MIN_COSINE)
        density = camera.fx * camera.fy * cosines[sure] / depths[sure].astype(np.float64) ** 2
        return answer["primitive_ids"].numpy()[sure].astype(np.int64), np.sqrt(density)

    def _cast(self, posed: PosedCamera, pixels: NDArray[np.floating]) -> tuple[NDArray[np.float32], Any, Any]:
        """Depths [N] under pixels, infinite where nothing is; all that rays met; the rays [N, 6], z-depth 1 long."""
        tangents = posed.camera.tangents(pixels)
        blind = ~np.isfinite(tangents).all(1)
        tangents[blind] = 0
        rays = np.empty((len(pixels), 6), np.float32)
        rays[:, :3] = posed.center
        rays[:, 3:] = np.column_stack([tangents, np.ones(len(tangents))]) @ posed.T_world_camera[:3, :3].T
        answer = self._scene.cast_rays(o3d.core.Tensor(rays))
        depths = answer["t_hit"].numpy()
        depths[blind] = np.inf
        return depths, answer, rays

    def visible(self, points: NDArray[np.floating], center: NDArray[np.floating], slack: float) -> NDArray[np.bool_]:
        """Whether nothing lies between points [N, 3] and a place [3], but for the last share `slack` of the way."""
        rays = np.empty((len(points), 6), np.float32)
        rays[:, :3], rays[:, 3:] = center, points - center
        return np.asarray(~self._scene.test_occlusions(o3d.core.Tensor(rays), 0, 1 - slack).numpy())


class Observer:
    """A photograph beside the depth of the mesh that it shows.

    Attributes:
        posed: the lens at the resolution of the photograph, and where it stood.
        faces: that the depth map shows; smaller ones than its pixels are not all among them.
        covered: share of the pixels which show the mesh, were nothing before it, where something nearer was measured.
    """

    def __init__(
        self,
        photograph: Photograph,
        mesh: MeshDepths,
        measured: DepthMap | None = None,
        agreement: NDArray[np.float32] | None = None,
    ) -> None:
        """Look at the mesh through a photograph.

        Args:
            photograph: its pixels.
            mesh: what it shows.
            measured: depths in it, at any size.
            agreement: [h, w] of any size, how far each part of it is to be trusted besides, from 0 to 1.
        """
        self.posed, self._image = photograph.posed, photograph.image
        camera = photograph.posed.camera
        reduction = max(1, int(np.sqrt(camera.width * camera.height / _DEPTH_PIXELS)))
        self._depth_camera = reduced_camera(camera, reduction)
        self._inverse, self.faces = mesh.look(replace(photograph.posed, camera=self._depth_camera))
        self._trust = _trust(self._inverse, self._depth_camera, photograph.usable)
        self.covered = 0.0
        if measured is not None:
            covered = _covered(self._inverse, self._depth_camera, measured)
            self.covered = float(covered[self._inverse > 0].mean()) if self._inverse.any() else 0.0
            self._trust[covered] = 0
        if agreement is not None:
            size = self._trust.shape[::-1]
            self._trust *= np.asarray(cv2.resize(agreement, size, interpolation=cv2.INTER_LINEAR))

    def may_see(self, points: NDArray[np.float32], normals: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether points [N, 3] lie in the picture, face it, and are not far behind what is seen there."""
        _, z, pixels, inside, cosines = self._look_at(points, normals)
        inverse = sample_image(self._dilated(), self._depth_pixels(pixels), cv2.INTER_NEAREST)
        return inside & (cosines > 0) & (z * inverse < 1.05)

    def observe(
        self, indices: NDArray[np.int64], points: NDArray[np.float32], normals: NDArray[np.float32]
    ) -> Observation:
        """What the photograph shows of points [N, 3] with normals [N, 3]; `indices` [N] are their names."""
        kept, z, pixels, cosines, trust = self._shown(points, normals, _TOLERANCE_PX, 0.0)
        colors = sample_image(self._image, pixels, cv2.INTER_CUBIC)
        lens = self.posed.camera
        qualities = lens.fx * lens.fy * cosines / (z * z) * trust
        qualities[colors.max(1) >= _SATURATED] *= _SATURATED_WEIGHT
        return Observation(indices[kept], colors, qualities.astype(np.float32))

    def glance(self, points: NDArray[np.float32], normals: NDArray[np.float32]) -> Glance:
        """What the photograph surely shows of points [N, 3] with normals [N, 3]."""
        kept, _, pixels, _, _ = self._shown(points, normals, _SURE_PX, _SURE_TRUST)
        return Glance(kept, sample_image(self._image, pixels, cv2.INTER_LINEAR), pixels)

    def _shown(
        self, points: NDArray[np.float32], normals: NDArray[np.float32], tolerance_px: float, least_trust: float
    ) -> tuple[NDArray[Any], ...]:
        """Which points are seen: indices [M], depths [M], pixels [M, 2], cosines [M] and trust [M]."""
        _, z, pixels, inside, cosines = self._look_at(points, normals)
        kept = np.flatnonzero(inside & (cosines > _MIN_COSINE))
        z, pixels, cosines = z[kept], pixels[kept], cosines[kept]
        places = self._depth_pixels(pixels)
        inverse = sample_image(self._inverse, places, cv2.INTER_LINEAR)
        tolerance = tolerance_px / self._depth_camera.fx
        agrees = np.abs(z * inverse - 1) < tolerance  # |z - z_seen| < tolerance z_seen, to first order
        trust = sample_image(self._trust, places, cv2.INTER_LINEAR)
        sure = np.flatnonzero(agrees & (trust > least_trust))
        return kept[sure], z[sure], pixels[sure], cosines[sure], trust[sure]

    def _look_at(self, points: NDArray[np.float32], normals: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
        local = self.posed.local(points)
        pixels, inside = self.posed.camera.project(local, nearest=1e-6)
        toward = self.posed.center.astype(np.float32) - points
        cosines = np.einsum("nd,nd->n", toward, normals) / np.maximum(np.linalg.norm(toward, axis=1), 1e-12)
        return local, local[:, 2], pixels, inside, cosines

    def _depth_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        full, small = self.posed.camera, self._depth_camera
        return pixels * np.array([small.width / full.width, small.height / full.height], np.float32)

    def _dilated(self) -> NDArray[np.float32]:
        """The farthest depth around each pixel, so that no surface is missed at its edge."""
        return np.asarray(cv2.erode(self._inverse, np.ones((3, 3), np.uint8)))


def _trust(inverse: NDArray[np.float32], camera: Camera, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far each pixel [H, W] of a depth map is to be trusted, from 0 to 1."""
    behind, before = np.zeros(inverse.shape, bool), np.zeros(inverse.shape, bool)
    limit = _JUMP_PX / camera.fx
    for axis in (0, 1):
        middle = np.moveaxis(inverse, axis, 0)
        bend = middle[:-2] - 2 * middle[1:-1] + middle[2:]
        largest = np.maximum(np.maximum(middle[:-2], middle[2:]), middle[1:-1])
        np.moveaxis(behind, axis, 0)[1:-1] |= bend > limit * largest
        np.moveaxis(before, axis, 0)[1:-1] |= bend < -limit * largest
    distance = cv2.distanceTransform((~(behind | before)).astype(np.uint8), cv2.DIST_L2, 3)
    trust = np.clip(distance / _EDGE_PX, _EDGE_WEIGHT, 1)
    trust[behind & ~before] = 0
    height, width = inverse.shape
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    border = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y)) / (_BORDER * min(height, width))
    trust *= np.clip(border, _LEAST_BORDER, 1)
    # Colors are interpolated from four by four pixels: all must be usable.
    allowed = cv2.erode(usable.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=(1,))
    share = cv2.resize(np.asarray(allowed, np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(trust * (np.asarray(share) > 1 - 1e-3), dtype=np.float32)


def _covered(inverse: NDArray[np.float32], camera: Camera, measured: DepthMap) -> NDArray[np.bool_]:
    """Pixels [H, W] of a depth map of the mesh before which something was measured, and those around."""
    depths, sigmas = _nearest_measured(measured, camera)
    # Relative to the measured depth: what the mesh's depth may be off by, and the measurement.
    slack = _NEARER_PX / camera.fx + _NEARER_SIGMAS * sigmas / np.maximum(depths, 1e-12)
    nearest = np.asarray(cv2.dilate(inverse, _AROUND))
    nearer = (depths > 0) & (depths * nearest * (1 + slack) < 1) & (nearest > 0)
    alike, known = (
        np.asarray(cv2.boxFilter(there.astype(np.float32), -1, (3, 3), normalize=False))
        for there in (nearer, depths > 0)
    )
    sure = nearer & (alike > _NEARER_SHARE * known - 0.5)
    width = 2 * _COVERED_PX + 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(cv2.dilate(sure.astype(np.uint8), around)) > 0


def _nearest_measured(measured: DepthMap, camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The nearest of the depths in each pixel of a smaller camera, 0 where none is, and the largest deviation."""
    depths = np.where(measured.depths > 0, measured.depths, np.inf).astype(np.float32)
    sigmas = np.where(measured.sigmas > 0, measured.sigmas, _UNKNOWN_SIGMA * measured.depths).astype(np.float32)
    block = np.ones((max(1, depths.shape[0] // camera.height), max(1, depths.shape[1] // camera.width)), np.uint8)
    size = (camera.width, camera.height)
    depths = np.asarray(cv2.resize(cv2.erode(depths, block), size, interpolation=cv2.INTER_NEAREST))
    sigmas = np.asarray(cv2.resize(cv2.dilate(sigmas, block), size, interpolation=cv2.INTER_NEAREST))
    return np.where(np.isfinite(depths), depths, 0), sigmas


def sample_image(image: NDArray[Any], pixels: NDArray[np.floating], interpolation: int) -> NDArray[Any]:
    """Values [N, ...] of an image at pixels [N, 2], the first pixel's center being at 0.5."""
    count = len(pixels)
    rows = -(-count // _ROW)
    places = np.zeros((rows * _ROW, 2), np.float32)
    places[:count] = pixels - 0.5
    x, y = places[:, 0].reshape(rows, _ROW), places[:, 1].reshape(rows, _ROW)
    if rows == 0:
        return np.zeros((0, *image.shape[2:]), image.dtype)
    sampled = cv2.remap(image, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled.reshape(rows * _ROW, *image.shape[2:])[:count])
