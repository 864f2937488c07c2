"""Where rays and points meet triangles, as places that move with the vertices.

Open3D finds the face; the place on it is computed again in torch, so that it has gradients to the face's corners.
"""

from typing import NamedTuple

import numpy as np
import open3d as o3d
import torch
from torch import Tensor


class RayHits(NamedTuple):
    """What rays meet first. M rays hit."""

    rays: Tensor  # [M] which rays hit
    depths: Tensor  # [M] along the ray in multiples of its direction; differentiable
    normals: Tensor  # [M, 3] unit, of the face; differentiable


class Triangles:
    """Triangles ready for queries.

    Args:
        vertices: [V, 3]; gradients of the answers reach them.
        faces: [F, 3] int64, at least one.
    """

    def __init__(self, vertices: Tensor, faces: Tensor) -> None:
        self.vertices, self.faces = vertices, faces
        self._scene = o3d.t.geometry.RaycastingScene()
        corners = np.ascontiguousarray(vertices.detach().cpu().float().numpy())
        self._scene.add_triangles(
            o3d.core.Tensor.from_numpy(corners), o3d.core.Tensor.from_numpy(faces.cpu().numpy().astype(np.uint32))
        )

    def closest_points(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest points [N, 3] of the triangles, fixed to their faces, and the faces' unit normals [N, 3]."""
        found = self._scene.compute_closest_points(_to_open3d(points))
        face = torch.from_numpy(found["primitive_ids"].numpy().astype(np.int64)).to(points.device)
        uv = torch.from_numpy(found["primitive_uvs"].numpy()).to(points)
        return self.places(face, uv), self.normals(face)

    def cast(self, rays: Tensor) -> RayHits:
        """First hits of rays [N, 6] (origin, direction)."""
        found = self._scene.cast_rays(_to_open3d(rays))
        hit = torch.from_numpy(np.isfinite(found["t_hit"].numpy())).to(rays.device).nonzero()[:, 0]
        face = torch.from_numpy(found["primitive_ids"].numpy().astype(np.int64)).to(rays.device)[hit]
        normals = self.normals(face)
        origins, directions = rays[hit, :3], rays[hit, 3:]
        slope = (normals * directions).sum(-1)
        slope = torch.where(slope.abs() < 1e-6, slope.new_tensor(-1e-6), slope)  # a face seen from its side
        offset = self.vertices[self.faces[face, 0]] - origins
        return RayHits(hit, (normals * offset).sum(-1) / slope, normals)

    def occluded(self, rays: Tensor) -> Tensor:
        """[N] whether rays [N, 6] meet a triangle before the end of their direction."""
        return torch.from_numpy(self._scene.test_occlusions(_to_open3d(rays), tfar=1.0).numpy()).to(rays.device)

    def places(self, face: Tensor, uv: Tensor) -> Tensor:
        """Points [N, 3] of faces [N] at barycentric coordinates [N, 2] of their second and third corners."""
        a, b, c = self.vertices[self.faces[face]].unbind(1)
        return a + uv[:, :1] * (b - a) + uv[:, 1:] * (c - a)

    def normals(self, face: Tensor) -> Tensor:
        """Unit normals [N, 3] of faces [N]; zero for those without area."""
        a, b, c = self.vertices[self.faces[face]].unbind(1)
        crosses = torch.linalg.cross(b - a, c - a)
        return crosses / crosses.norm(dim=-1, keepdim=True).clamp_min(1e-12)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Points [count, 3] drawn uniformly by area, and their faces [count]; points move with the vertices."""
        with torch.no_grad():
            a, b, c = self.vertices[self.faces].unbind(1)
            ends = torch.linalg.cross(b - a, c - a).norm(dim=-1).double().cumsum(0)
            drawn = torch.rand(count, generator=generator, dtype=torch.float64).to(ends.device) * ends[-1]
            face = torch.searchsorted(ends, drawn, right=True).clamp_max(len(ends) - 1)
            uv = torch.rand(count, 2, generator=generator).to(self.vertices)
            uv = torch.where(uv.sum(-1, keepdim=True) > 1, 1 - uv, uv)
        return self.places(face, uv), face


def _to_open3d(values: Tensor) -> o3d.core.Tensor:
    return o3d.core.Tensor.from_numpy(np.ascontiguousarray(values.detach().cpu().float().numpy()))
