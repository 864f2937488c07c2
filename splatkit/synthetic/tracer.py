"""Ray tracing of a described scene: color, coverage, depth and normals, each exact up to float32.

Light model, in display (sRGB) values:
albedo * (ambient + diffuse * lambert * shadow) + gloss * highlight * shadow, the highlight after Blinn-Phong.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.mesh import Mesh
from splatkit.synthetic.description import SceneDescription, SceneObject
from splatkit.synthetic.outdoor import make_terrain, make_tree
from splatkit.synthetic.solids import Solid, make_box, make_cylinder, make_sphere, make_stairs, make_torus
from splatkit.synthetic.textures import SurfaceTexture

_SHININESS = 24  # exponent of the highlight: a soft spot, about 15 deg wide
_SHADOW_OFFSET_M = 1e-4  # lifts shadow rays off the surface they start on; float32 resolves 1e-7 here
_UPWARD_SHARE = 0.25  # part of the ambient light that comes from above only, so that unlit sides differ


@dataclass(frozen=True)
class TracedView:
    """One rendered view."""

    colors: NDArray[np.float32]  # [H, W, 3] in [0, 1], over the background
    alphas: NDArray[np.float32]  # [H, W] share of the pixel that the scene covers
    depths: NDArray[np.float32]  # [H, W] z-depth at the pixel's center, m; 0 where nothing was hit
    normals: NDArray[np.float32]  # [H, W, 3] world, of the triangle at the pixel's center; 0 where nothing was hit


@dataclass(frozen=True)
class Measured:
    """What a bundle of N rays meets."""

    distances: NDArray[np.float64]  # [N] in lengths of the rays' directions; infinite where nothing is hit
    brightness: NDArray[np.float32]  # [N] mean albedo
    cosines: NDArray[np.float32]  # [N] of the angle of incidence; 0 where nothing is hit


@dataclass(frozen=True)
class _Hits:
    """What a bundle of N rays hit; the arrays have one row for each of the M rays that hit something."""

    mask: NDArray[np.bool_]  # [N]
    distances: NDArray[np.float32]  # [M] in lengths of the rays' directions
    faces: NDArray[np.int64]  # [M]
    barycentric: NDArray[np.float32]  # [M, 3]
    face_normals: NDArray[np.float32]  # [M, 3]


class TracedCamera(Protocol):
    """What takes a picture: a `PosedCamera`, or one whose pose changes from row to row."""

    @property
    def camera(self) -> Camera:
        """The lens."""

    def rays(self, pixels: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Origins [N, 3] and directions [N, 3] in the world, z-depth 1 long, of pixels [N, 2]."""


class Tracer:
    """A scene made ready for tracing; the same description and seed give the same bits."""

    def __init__(self, description: SceneDescription, seed: int) -> None:
        self._description = description
        self._textures = []
        vertices, faces, normals, owners, poses = [], [], [], [], []
        offset = 0
        for index, scene_object in enumerate(description.objects):
            rng = np.random.default_rng([seed, index])
            solid = _make_solid(scene_object, rng)
            pose = _object_pose(scene_object)
            self._textures.append(SurfaceTexture(scene_object.texture, rng))
            vertices.append(solid.vertices @ pose[:, :3].T + pose[:, 3])
            faces.append(solid.faces + offset)
            normals.append(solid.corner_normals @ pose[:, :3].T)
            owners.append(np.full(len(solid.faces), index))
            poses.append(pose)
            offset += len(solid.vertices)
        self.mesh = Mesh(np.concatenate(vertices).astype(np.float32), np.concatenate(faces))
        self._corner_normals = np.concatenate(normals).astype(np.float32)
        self._face_normals = self.mesh.face_normals()
        self._owners = np.concatenate(owners)
        self._poses = np.stack(poses).astype(np.float32)
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            *map(o3d.core.Tensor.from_numpy, (self.mesh.vertices, self.mesh.faces.astype(np.uint32)))
        )
        direction = np.array(description.light.direction, dtype=np.float32)
        self._to_light = direction / np.linalg.norm(direction)

    def render(self, view: TracedCamera, supersampling: int, rng: np.random.Generator) -> TracedView:
        """Render a view; colors take `supersampling`^2 jittered rays per pixel, the rest one through its center."""
        height, width, n = view.camera.height, view.camera.width, supersampling
        rows, columns = np.mgrid[0 : height * n, 0 : width * n]
        grid = np.stack([columns, rows], axis=-1).reshape(-1, 2)
        pixels = (grid + rng.random(grid.shape, dtype=np.float32)) / n
        colors, covered = self._trace_colors(*view.rays(pixels))
        shape = (height, n, width, n)
        rows, columns = np.mgrid[0:height, 0:width] + 0.5
        origins, directions = view.rays(np.stack([columns, rows], axis=-1).reshape(-1, 2))
        hits = self._cast(origins, directions)
        depths = np.zeros(height * width, np.float32)
        normals = np.zeros((height * width, 3), np.float32)
        depths[hits.mask] = self._exact_distances(origins[hits.mask], directions[hits.mask], hits.faces)
        normals[hits.mask] = hits.face_normals
        return TracedView(
            colors=colors.reshape(*shape, 3).mean((1, 3)),
            alphas=covered.reshape(shape).mean((1, 3), dtype=np.float32),
            depths=depths.reshape(height, width),
            normals=normals.reshape(height, width, 3),
        )

    def visible(self, points: NDArray[np.floating], posed: PosedCamera, tolerance: float) -> NDArray[np.bool_]:
        """Whether the camera sees each world point [N, 3] -> [N], up to `tolerance` m of depth."""
        pixels, inside = posed.project(points, nearest=0.0)
        depths = posed.local(points)[:, 2]
        hits = self._cast(*posed.rays(np.where(inside[:, None], pixels, 0.0)))
        seen_depths = np.full(len(points), np.inf)
        seen_depths[hits.mask] = hits.distances
        return inside & (depths <= seen_depths + tolerance)

    def colors_at(self, points: NDArray[np.floating], center: NDArray[np.floating]) -> NDArray[np.float32]:
        """Colors [N, 3] of the surface that an eye at `center` [3] sees when it looks at world points [N, 3]."""
        return self._trace_colors(np.broadcast_to(center, points.shape), points - center)[0]

    def measure(
        self, origins: NDArray[np.floating], directions: NDArray[np.floating], *, shade: bool = True
    ) -> Measured:
        """What rays [N, 3], [N, 3] meet, as a range finder sees it; directions of any length.

        Args:
            origins: world, m.
            directions: world.
            shade: whether to find brightness and incidence too; they are zeros otherwise.
        """
        hits = self._cast(origins, directions)
        distances = np.full(len(origins), np.inf)
        distances[hits.mask] = self._exact_distances(origins[hits.mask], directions[hits.mask], hits.faces)
        brightness, cosines = np.zeros(len(origins), np.float32), np.zeros(len(origins), np.float32)
        if shade and hits.mask.any():
            unit = directions[hits.mask] / np.linalg.norm(directions[hits.mask], axis=-1, keepdims=True)
            cosines[hits.mask] = np.abs(np.einsum("md,md->m", unit, hits.face_normals))
            points = origins[hits.mask] + distances[hits.mask, None] * directions[hits.mask]
            brightness[hits.mask] = self._look(points.astype(np.float32), hits)[0].mean(-1)
        return Measured(distances, brightness, cosines)

    def _trace_colors(
        self, origins: NDArray[np.floating], directions: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Colors [N, 3] over the background and hit masks [N] of rays [N, 3], [N, 3]."""
        hits = self._cast(origins, directions)
        colors = background_colors(self._description, directions)
        if hits.mask.any():
            starts, ways = origins[hits.mask].astype(np.float32), directions[hits.mask].astype(np.float32)
            colors[hits.mask] = self._shade(starts, ways, hits)
        return colors, hits.mask

    def _cast(self, origins: NDArray[np.floating], directions: NDArray[np.floating]) -> _Hits:
        """Origins: [N, 3], or [3] of all rays."""
        rays = np.empty((len(directions), 6), np.float32)
        rays[:, :3], rays[:, 3:] = origins, directions
        answer = {
            name: value.numpy() for name, value in self._scene.cast_rays(o3d.core.Tensor.from_numpy(rays)).items()
        }
        mask = np.isfinite(answer["t_hit"])
        uv = answer["primitive_uvs"][mask]
        faces = answer["primitive_ids"][mask].astype(np.int64)
        return _Hits(
            mask=mask,
            distances=answer["t_hit"][mask],
            faces=faces,
            barycentric=np.concatenate([1 - uv.sum(-1, keepdims=True), uv], axis=-1),
            face_normals=self._face_normals[faces].astype(np.float32),
        )

    def _exact_distances(
        self, origins: NDArray[np.floating], directions: NDArray[np.floating], faces: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Where rays meet the planes of the triangles they hit: [M]. The ray caster's float32 is up to 0.2 mm off."""
        normals = self._face_normals[faces]
        corners = self.mesh.vertices[self.mesh.faces[faces, 0]]
        return np.einsum("md,md->m", normals, corners - origins) / np.einsum("md,md->m", normals, directions)

    def _look(self, points: NDArray[np.float32], hits: _Hits) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Albedo [M, 3] and gloss [M] at the points [M, 3] of hits."""
        owners = self._owners[hits.faces]
        albedo = np.empty_like(points)
        gloss = np.empty(len(points), np.float32)
        for index, texture in enumerate(self._textures):
            mine = np.flatnonzero(owners == index)
            if len(mine):
                pose = self._poses[index]
                local = (points[mine] - pose[:, 3]) @ pose[:, :3]
                albedo[mine] = texture(local, hits.face_normals[mine] @ pose[:, :3])
                gloss[mine] = self._description.objects[index].gloss
        return albedo, gloss

    def _shade(self, origins: NDArray[np.float32], directions: NDArray[np.float32], hits: _Hits) -> NDArray[np.float32]:
        """Colors [M, 3] of the hits of rays [M, 3], [M, 3]."""
        points = origins + hits.distances[:, None] * directions
        normals = np.einsum("mc,mcd->md", hits.barycentric, self._corner_normals[hits.faces])
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        albedo, gloss = self._look(points, hits)
        light = self._description.light
        lit = self._unshadowed(points + _SHADOW_OFFSET_M * hits.face_normals, hits.face_normals)
        lambert = np.clip(normals @ self._to_light, 0, 1) * lit
        ambient = light.ambient * (1 - _UPWARD_SHARE * (1 - normals[:, 2]) / 2)
        to_eye = -directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        halfway = to_eye + self._to_light
        halfway /= np.linalg.norm(halfway, axis=-1, keepdims=True)
        highlight = gloss * lit * np.clip(np.einsum("md,md->m", normals, halfway), 0, 1) ** _SHININESS
        colors = albedo * (ambient + light.diffuse * lambert)[:, None] + highlight[:, None]
        return np.clip(colors, 0, 1).astype(np.float32)

    def _unshadowed(self, points: NDArray[np.float32], face_normals: NDArray[np.float32]) -> NDArray[np.float32]:
        """1 where the lamp reaches a point, else 0: [M]."""
        facing = face_normals @ self._to_light > 0
        rays = np.empty((int(facing.sum()), 6), np.float32)
        rays[:, :3], rays[:, 3:] = points[facing], self._to_light
        lit = np.zeros(len(points), np.float32)
        lit[facing] = ~self._scene.test_occlusions(o3d.core.Tensor.from_numpy(rays)).numpy()
        return lit


def background_colors(description: SceneDescription, directions: NDArray[np.floating]) -> NDArray[np.float32]:
    """Colors [N, 3] of what is behind everything, in directions [N, 3] of any length; smooth in the sine of height."""
    below = np.array(description.background, dtype=np.float32)
    above = below if description.zenith is None else np.array(description.zenith, dtype=np.float32)
    share = (1 + directions[:, 2:] / np.linalg.norm(directions, axis=-1, keepdims=True)).astype(np.float32) / 2
    return np.asarray(below + share * (above - below))


def _make_solid(scene_object: SceneObject, rng: np.random.Generator) -> Solid:
    o = scene_object
    if o.shape == "box":
        return make_box(o.size)
    if o.shape == "stairs":
        return make_stairs(o.size, o.steps)
    if o.shape == "cylinder":
        return make_cylinder(o.radius, o.height)
    if o.shape == "sphere":
        return make_sphere(o.radius)
    if o.shape == "terrain":
        return make_terrain(o.radius, o.height, o.flat_radius, rng)
    if o.shape == "tree":
        return make_tree(o.height, o.radius, rng)
    return make_torus(o.radius, o.tube_radius, o.roughness, rng)


def _object_pose(scene_object: SceneObject) -> NDArray[np.float64]:
    """[3, 4] T_world_object: turned about x, then y, then z of the world, then moved."""
    rotation = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(scene_object.rotation_deg)):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[[i, j], [i, j]] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        rotation = turn @ rotation
    return np.concatenate([rotation, np.array(scene_object.position)[:, None]], axis=1)
