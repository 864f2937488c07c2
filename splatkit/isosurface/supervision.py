"""What a surface can be fitted to without a rasterizer: another surface, or images of depth, normals and mask.

Visibility comes from ray casting, which has no gradients; what is hit has. Outlines get theirs from a term of our own:
in each image, points of the surface's outline and the target's outline are drawn to the nearest of the other.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from torch import Tensor

from splatkit.geometry.camera import PosedCamera
from splatkit.isosurface.ray_casting import Triangles

_OUTLINE_REACH_PX = 1.5  # a silhouette vertex within it of the mask's border lies on the outline
_OCCLUSION_MARGIN = 1e-3  # of the distance from the camera: a vertex does not hide itself


@dataclass(frozen=True)
class SurfaceLoss:
    """Terms of a loss; lengths in the units of the target, unless said otherwise."""

    distance: Tensor  # mean squared distance, or mean absolute depth error
    normal: Tensor  # mean of 1 - cos of the angle between normals
    outline_px: Tensor  # mean distance of outlines, px; zero where there are no images


class SurfaceTarget:
    """A surface to be met in both directions.

    Args:
        vertices: [V, 3].
        faces: [F, 3] int64.
        samples: points drawn on each surface, new ones in every call.
        generator: of the drawing.
    """

    def __init__(self, vertices: Tensor, faces: Tensor, samples: int, generator: torch.Generator) -> None:
        self._target = Triangles(vertices, faces)
        self._samples, self._generator = samples, generator

    def __call__(self, vertices: Tensor, faces: Tensor) -> SurfaceLoss:
        """Loss of a surface, vertices [V, 3] and faces [F, 3]; an empty one is an error."""
        mine = _nonempty(vertices, faces)
        points, face = mine.sample(self._samples, self._generator)
        truth, truth_normals = self._target.closest_points(points)
        targets, target_face = self._target.sample(self._samples, self._generator)
        nearest, nearest_normals = mine.closest_points(targets)
        off = ((points - truth).square().sum(-1).mean() + (nearest - targets).square().sum(-1).mean()) / 2
        turned = _turn(mine.normals(face), truth_normals) + _turn(nearest_normals, self._target.normals(target_face))
        return SurfaceLoss(off, turned / 2, off.new_zeros(()))


class View(NamedTuple):
    """A pinhole camera and what it sees of the target. H x W pixels."""

    posed: PosedCamera
    depths: Tensor  # [H, W] z; anything where nothing is seen
    normals: Tensor  # [H, W, 3] unit, world
    mask: Tensor  # [H, W] bool


class ImageTarget:
    """Images of depth, normals and mask to be met.

    Args:
        views: each call takes the next `per_call` of them in a random order.
        per_call: views of a call.
        generator: of the order.
    """

    def __init__(self, views: list[View], per_call: int, generator: torch.Generator) -> None:
        self._views, self._per_call, self._generator = views, per_call, generator
        self._order: list[int] = []

    def __call__(self, vertices: Tensor, faces: Tensor) -> SurfaceLoss:
        """Loss of a surface, vertices [V, 3] and faces [F, 3]; an empty one is an error."""
        mine = _nonempty(vertices, faces)
        losses = [_view_loss(mine, self._next()) for _ in range(self._per_call)]
        return SurfaceLoss(*(torch.stack(terms).mean() for terms in zip(*losses, strict=True)))

    def _next(self) -> View:
        if not self._order:
            self._order = torch.randperm(len(self._views), generator=self._generator).tolist()
        return self._views[self._order.pop()]


def render_view(target: Triangles, posed: PosedCamera) -> View:
    """What a pinhole camera sees of triangles; fields as in `View`."""
    width, height = posed.camera.width, posed.camera.height
    hits = target.cast(camera_rays(posed))
    depths, mask = torch.zeros(width * height), torch.zeros(width * height, dtype=torch.bool)
    normals = torch.zeros(width * height, 3)
    depths[hits.rays], normals[hits.rays], mask[hits.rays] = hits.depths.detach(), hits.normals.detach(), True
    shape = (height, width)
    return View(posed, depths.reshape(shape), normals.reshape(*shape, 3), mask.reshape(shape))


def camera_rays(posed: PosedCamera) -> Tensor:
    """Rays [H * W, 6] float32 through pixel centers; directions have z = 1 in the camera."""
    height, width = posed.camera.height, posed.camera.width
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.cat(posed.rays(torch.stack([x, y], -1).reshape(-1, 2)), -1)


def _nonempty(vertices: Tensor, faces: Tensor) -> Triangles:
    if len(faces) == 0:
        raise ValueError("surface: expected at least one triangle; the field has one sign everywhere")
    return Triangles(vertices, faces)


def _turn(a: Tensor, b: Tensor) -> Tensor:
    return (1 - (a * b).sum(-1)).mean()


def _view_loss(mine: Triangles, view: View) -> tuple[Tensor, Tensor, Tensor]:
    height, width = view.mask.shape
    hits = mine.cast(camera_rays(view.posed))
    seen = torch.zeros(height * width, dtype=torch.bool)
    seen[hits.rays] = True
    both = view.mask.reshape(-1)[hits.rays]
    rays = hits.rays[both]
    zero = mine.vertices.sum() * 0
    depth = (hits.depths[both] - view.depths.reshape(-1)[rays]).abs().mean() if len(rays) else zero
    normal = _turn(hits.normals[both], view.normals.reshape(-1, 3)[rays]) if len(rays) else zero
    return depth, normal, _outline_loss(mine, view, seen.reshape(height, width))


def _outline_loss(mine: Triangles, view: View, seen: Tensor) -> Tensor:
    """Mean distance in pixels between the outline's vertices and the border of the target's mask, both ways."""
    outline = _outline_vertices(mine, view, seen)
    border = _border_pixels(view.mask)
    if len(outline) == 0 or len(border) == 0:
        return mine.vertices.sum() * 0
    pixels = view.posed.image(mine.vertices[outline])[0]
    places = pixels.detach().numpy()
    to_border = torch.from_numpy(cKDTree(border.numpy()).query(places)[1])
    to_outline = torch.from_numpy(cKDTree(places).query(border.numpy())[1])
    return ((pixels - border[to_border]).norm(dim=-1).mean() + (pixels[to_outline] - border).norm(dim=-1).mean()) / 2


def _outline_vertices(mine: Triangles, view: View, seen: Tensor) -> Tensor:
    """Vertices [M] between faces that turn to the camera and faces that turn away, visible and at the mask's border."""
    with torch.no_grad():
        center = mine.vertices.new_tensor(view.posed.center)
        a, b, c = mine.vertices[mine.faces].unbind(1)
        front = (torch.linalg.cross(b - a, c - a) * (center - a)).sum(-1) > 0
        near = torch.zeros(2, len(mine.vertices), dtype=torch.bool)
        near[0, mine.faces[front].reshape(-1)] = True
        near[1, mine.faces[~front].reshape(-1)] = True
        candidates = near.all(0).nonzero()[:, 0]
        places = mine.vertices[candidates]
        pixels, inside = view.posed.project(places, nearest=0.0)
        candidates, places, pixels = candidates[inside], places[inside], pixels[inside]
        to_background = torch.from_numpy(distance_transform_edt(seen.numpy()))
        to_foreground = torch.from_numpy(distance_transform_edt(~seen.numpy()))
        column, row = pixels.long().unbind(-1)
        at_border = torch.maximum(to_background, to_foreground)[row, column] <= _OUTLINE_REACH_PX
        rays = torch.cat([center.expand_as(places), (places - center) * (1 - _OCCLUSION_MARGIN)], -1)
        return candidates[at_border & ~mine.occluded(rays)]


def _border_pixels(mask: Tensor) -> Tensor:
    """[M, 2] places between pixels of the mask and neighbors outside of it, px."""
    places = []
    for axis, shift in ((0, (0.5, 1.0)), (1, (1.0, 0.5))):
        size = mask.shape[axis] - 1
        rows, columns = (mask.narrow(axis, 0, size) != mask.narrow(axis, 1, size)).nonzero().unbind(-1)
        places.append(torch.stack([columns + shift[0], rows + shift[1]], -1))
    return torch.cat(places)
