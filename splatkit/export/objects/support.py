"""What an object stands on: the dominant plane below what cameras look at from around."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import RefusedError
from splatkit.geometry.camera import PosedCamera
from splatkit.io.mesh import Mesh

Array = NDArray[np.float64]

_HINT = "leave out --object, or photograph one thing on a table or floor from around"
_TRIES = 400  # faces whose planes are compared
_NEAR = 0.01  # of the cameras' median distance: faces so near to a plane belong to it at first
_ALIKE = 0.9  # cosine between a face's normal and the plane's
_ROUNDS = 3  # of fitting the plane to the faces that belong to it
_SPREADS = 3.0  # standard deviations of faces from it that belong to it
_ABOVE = 0.95  # share of the cameras above the plane
_LEAST_AREA = 0.1  # share of the surface around that lies in the plane
_LOOKING = 0.7  # share of the cameras that have what is looked at in their picture
_WIDEST_GAP_DEG = 210.0  # between the directions of cameras: more than half round


@dataclass(frozen=True)
class Support:
    """A plane: normal @ place = offset, the object on its positive side."""

    normal: Array  # [3] unit, toward the cameras
    offset: float  # scene units
    spread: float  # standard deviation of the surface around it, scene units
    target: Array  # [3] what the cameras look at

    def heights(self, points: NDArray[np.floating]) -> Array:
        """[N] of points [N, 3] above the plane."""
        return np.asarray(points @ self.normal - self.offset)


def find_support(mesh: Mesh, cameras: Sequence[PosedCamera]) -> Support:
    """The plane that most of the surface around what cameras look at lies in, and that cameras look down on.

    Raises:
        RefusedError: cameras do not look at one thing from around, or below it lies no plane.
    """
    centers = np.stack([camera.center for camera in cameras])
    target = _looked_at(cameras, centers)
    reach = float(np.median(np.linalg.norm(centers - target, axis=1)))
    normal, offset, spread, area_share = _plane(mesh, target, reach, centers)
    if area_share < _LEAST_AREA:
        raise RefusedError(f"object: no plane that an object could stand on lies below what is photographed; {_HINT}")
    _check_around(centers - target, normal)
    return Support(normal, offset, spread, target)


def _looked_at(cameras: Sequence[PosedCamera], centers: Array) -> Array:
    """[3] the place nearest to all optical axes, by least squares."""
    axes = np.stack([camera.T_world_camera[:3, 2] for camera in cameras])
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    target = np.linalg.lstsq(across.sum(0), (across @ centers[..., None]).sum(0)[:, 0], rcond=1e-6)[0]
    looking = [camera.project(target[None])[1][0] for camera in cameras]
    if np.mean(looking) < _LOOKING:
        share = f"{np.mean(looking):.0%} of the photographs show the place that they have in common"
        raise RefusedError(f"object: cameras do not look at one thing, {share}; {_HINT}")
    return np.asarray(target)


def _plane(mesh: Mesh, target: Array, reach: float, centers: Array) -> tuple[Array, float, float, float]:
    """Normal, offset, spread, and share of the area around that lies in the plane; share 0 where there is none."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    near = np.linalg.norm(corners.mean(1) - target, axis=1) < reach
    areas, normals, places = mesh.face_areas()[near], mesh.face_normals()[near], corners.mean(1)[near]
    if areas.sum() == 0:
        return np.zeros(3), 0.0, 0.0, 0.0

    def members(normal: Array, offset: float, width: float) -> NDArray[np.bool_]:
        return np.asarray((np.abs(places @ normal - offset) < width) & (normals @ normal > _ALIKE))

    best, normal, offset = 0.0, np.zeros(3), 0.0
    for face in np.random.default_rng(0).choice(len(areas), _TRIES, p=areas / areas.sum()):
        at = float(places[face] @ normals[face])
        if (centers @ normals[face] > at).mean() < _ABOVE:
            continue
        found = float(areas[members(normals[face], at, _NEAR * reach)].sum())
        if found > best:
            best, normal, offset = found, normals[face], at
    width, spread = _NEAR * reach, 0.0
    for _ in range(_ROUNDS if best > 0 else 0):
        mine = members(normal, offset, width)
        weights = areas[mine] / areas[mine].sum()
        middle = weights @ places[mine]
        away = places[mine] - middle
        direction = np.linalg.eigh((away * weights[:, None]).T @ away)[1][:, 0]
        normal = direction * np.sign(direction @ normal)
        offset = float(middle @ normal)
        spread = float(np.sqrt(weights @ (away @ normal) ** 2))
        width = max(_SPREADS * spread, 1e-4 * reach)
    return normal, offset, spread, best / float(areas.sum())


def _check_around(directions: Array, normal: Array) -> None:
    """Refuse cameras that leave more than half of the directions in the plane out."""
    side = np.linalg.svd(normal[None])[2][1:]
    angles = np.sort(np.degrees(np.arctan2(*(directions @ side.T).T)))
    gap = float(np.diff(np.append(angles, angles[0] + 360)).max())
    if gap > _WIDEST_GAP_DEG:
        raise RefusedError(f"object: cameras leave {gap:.0f} of 360 degrees around the object out; {_HINT}")
