"""Where photographs want a surface moved: each face is looked up in every photograph that sees it.

Windows lie on the surface, not in the photographs: a Gaussian over neighboring faces whose normals agree, so that
slants cost nothing and creases are not crossed. How far a window's faces should move along their normals until
photographs agree is told by one Gauss-Newton step (`splatkit.ops.photo_consistency`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from torch import Tensor

from splatkit.export.texture.photographs import read_photograph, reduced_camera
from splatkit.export.texture.visibility import MeshDepths, sample_image
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.triangles import TriangleMesh
from splatkit.ops.photo_consistency import ConsistencySettings, Sightings, Windows, photo_consistency
from splatkit.progress import Progress, no_progress, track
from splatkit.runs.views import RunView

Array = NDArray[np.float32]
Indices = NDArray[np.int64]

_ALL_PIXELS = 48_000_000  # of all photographs together, 6 bytes each
_DEPTH_PIXELS, _ALL_DEPTH_PIXELS = 200_000, 24_000_000  # of depth maps of the surface, one and all; 8 bytes each
_BORDER_PX = 2  # of a photograph, where its blurred pixels are not its own
_DEPTH_PX = 2.0  # footprints of a depth map's pixel within which a face is what is seen there
_REACH = 2.5  # standard deviations that a window reaches
_LEAST_WEIGHT = 1e-3  # of a window's member, of that of its center
_LOOKS = 8_000_000  # faces times photographs at a time, 28 bytes each
_ROWS = 1 << 16  # windows that are made at a time
_PROBES = 500  # faces of a tile of which a photograph must hold one to be looked into
_RINGS = 3  # windows of windows of windows: what an answer depends on


@dataclass(frozen=True)
class PhotoSettings:
    """How photographs are asked. Footprints are those of a median pixel on the surface."""

    max_pixels: int = 1_000_000  # of a photograph; larger ones are averaged down
    window: float = 3.5  # footprints, standard deviation of a window
    members: int = 48  # of a window, at most
    alike: float = 0.75  # cosine between normals at which a face leaves a window
    least_cosine: float = 0.25  # of incidence
    most: float = 1.5  # footprints that a face moves at most
    prior: float = 0.4  # footprints, standard deviation of what is expected
    consistency: ConsistencySettings = field(default_factory=ConsistencySettings)


class PhotoOffsets(NamedTuple):
    """What photographs say about F faces."""

    offsets: Tensor  # [F] along the normal, scene units
    variances: Tensor  # [F] of them, infinite where nothing is known
    correlations: Tensor  # [F] of the photographs within windows, at most 1
    counts: Tensor  # [F] photographs that count


@dataclass
class _Look:
    """A photograph, and the depths of the surface in it."""

    posed: PosedCamera
    gray: NDArray[np.uint8]  # [H, W]
    usable: NDArray[np.bool_]  # [H, W]
    blurred: Array | None = None  # [H, W]
    depth_camera: PosedCamera | None = None
    farthest: Array | None = None  # [h, w] 1 / z of the surface, the least around each pixel; 0 where nothing is
    nearest: Array | None = None  # [h, w] the largest


class _Seen(NamedTuple):
    """What a photograph shows of N of the faces."""

    faces: Indices  # [N]
    grays: Array  # [N]
    slopes: Array  # [N] a unit of length along the normal
    cosines: Array  # [N]
    footprints: Array  # [N] scene units


class PhotoViews:
    """Photographs of a surface, to be asked again and again as it changes.

    Args:
        views: with their photographs.
        settings: see there.
        progress: shows how many are read.

    Raises:
        DatasetError: a photograph or mask cannot be read; it is named.
    """

    def __init__(
        self, views: Sequence[RunView], settings: PhotoSettings = PhotoSettings(), progress: Progress = no_progress
    ) -> None:
        self._settings = settings
        limit = min(settings.max_pixels, _ALL_PIXELS / max(len(views), 1))
        self._looks = [_read(view, limit) for view in track(views, "reading photographs", progress, len(views))]

    def blur(self, sigma: float) -> None:
        """Blur all photographs as they were read, by a Gaussian of a standard deviation in px."""
        for look in self._looks:
            gray = look.gray.astype(np.float32)
            blurred = cv2.GaussianBlur(gray, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            look.blurred = np.asarray(blurred, dtype=np.float32)

    def look_at(self, mesh: TriangleMesh) -> None:
        """Find which parts of the surface each photograph sees; this holds for surfaces that are about the same."""
        depths = MeshDepths(mesh)
        around = np.ones((3, 3), np.uint8)
        limit = min(_DEPTH_PIXELS, _ALL_DEPTH_PIXELS / max(len(self._looks), 1))
        for look in self._looks:
            camera = look.posed.camera
            reduction = max(1, int(np.sqrt(camera.width * camera.height / limit)))
            look.depth_camera = replace(look.posed, camera=reduced_camera(camera, reduction))
            inverse, _ = depths.look(look.depth_camera)
            look.farthest, look.nearest = (find(inverse, around).astype(np.float32) for find in (cv2.erode, cv2.dilate))

    def ask(self, centers: Array, normals: Array) -> PhotoOffsets:
        """What the photographs say, once they were blurred and the surface was looked at.

        Args:
            centers: [F, 3] of the faces, world.
            normals: [F, 3] unit.
        """
        answers = np.zeros((len(centers), 4), np.float32)
        footprints = np.zeros(len(centers), np.float32)
        windows = self._windows(centers, normals)
        for own, needed in _tiles(centers, windows, len(self._looks)):
            some = centers[needed[:: max(1, len(needed) // _PROBES)]]
            looks = [look for look in self._looks if look.posed.project(some, nearest=1e-6)[1].any()]
            seen = [self._see(look, centers[needed], normals[needed]) for look in looks]
            found, mean = self._compare([part for part in seen if len(part.faces)], windows[needed][:, needed])
            inner = np.searchsorted(needed, own)
            answers[own], footprints[own] = found[inner], mean[inner]
        gradients, curvatures, correlations, counts = torch.from_numpy(answers).unbind(1)
        sizes = torch.from_numpy(footprints)
        prior = (self._settings.prior * sizes.clamp_min(1e-30)) ** -2
        most = self._settings.most * sizes
        offsets = torch.minimum(torch.maximum(-gradients / (curvatures + prior), -most), most)
        return PhotoOffsets(offsets, 1 / curvatures, correlations, counts)

    def _windows(self, centers: Array, normals: Array) -> Any:
        """A sparse array [F, F] of weights; each row has the sum 1."""
        s = self._settings
        sigma, tree = s.window * self._median_footprint(centers), cKDTree(centers)
        parts = []
        for first in range(0, len(centers), _ROWS):
            rows = slice(first, first + _ROWS)
            near, others = tree.query(centers[rows], s.members, distance_upper_bound=_REACH * sigma, workers=-1)
            parts.append(_weighted(near / sigma, others, normals, rows, s.alike))
        counts, members, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        starts = np.concatenate([[0], counts.cumsum()])
        return csr_array((weights, members, starts), shape=(len(centers),) * 2)

    def _median_footprint(self, centers: Array) -> float:
        """Of a pixel, over some faces and the photographs in whose field they lie; scene units."""
        some = centers[:: max(1, len(centers) // 2000)]
        found = [np.zeros(0)]
        for look in self._looks:
            local = look.posed.local(some)
            _, inside = look.posed.camera.project(local, nearest=1e-6)
            found.append(local[inside, 2] / look.posed.camera.fx)
        sizes = np.concatenate(found)
        return float(np.median(sizes)) if len(sizes) else 1.0

    def _see(self, look: _Look, centers: Array, normals: Array) -> _Seen:
        """What a photograph shows of faces [N, 3]."""
        assert look.blurred is not None
        camera, R = look.posed.camera, look.posed.T_camera_world[:3, :3].astype(np.float32)
        local = look.posed.local(centers).astype(np.float32)
        turned = normals @ R.T
        distances = np.sqrt(np.einsum("nd,nd->n", local, local))
        cosines = -np.einsum("nd,nd->n", turned, local) / np.maximum(distances, 1e-12)
        facing = np.flatnonzero((cosines > self._settings.least_cosine) & (local[:, 2] > 0))
        pixels, inside = camera.project(local[facing], nearest=1e-6)
        low, high = _BORDER_PX, np.array([camera.width, camera.height]) - _BORDER_PX
        inside &= (pixels[:, 0] > low) & (pixels[:, 1] > low) & (pixels[:, 0] < high[0]) & (pixels[:, 1] < high[1])
        kept = np.flatnonzero(inside)
        faces, pixels = facing[kept], pixels[kept]
        kept = np.flatnonzero(self._shown(look, pixels, local[faces, 2], cosines[faces]))
        faces, pixels = faces[kept], pixels[kept].astype(np.float32)
        _, to_point = camera.jacobian(local[faces])
        rates = np.einsum("nij,nj->ni", to_point, turned[faces]).astype(np.float32)
        grays, slopes = _along(look.blurred, pixels, rates)
        return _Seen(faces, grays, slopes, cosines[faces], local[faces, 2] / np.float32(camera.fx))

    def _shown(self, look: _Look, pixels: Array, z: Array, cosines: Array) -> NDArray[np.bool_]:
        """Whether the surface at all of a pixel's neighbors is as far as the faces there, and the pixel is usable."""
        assert look.depth_camera is not None
        assert look.nearest is not None
        assert look.farthest is not None
        camera, small = look.posed.camera, look.depth_camera.camera
        places = pixels * np.array([small.width / camera.width, small.height / camera.height])
        columns, rows = places.astype(np.int64).T
        slack = _DEPTH_PX / small.fx * (1 + np.sqrt(np.maximum(1 - cosines**2, 0)) / cosines)
        alike = (look.nearest[rows, columns] * z < 1 + slack) & (look.farthest[rows, columns] * z > 1 - slack)
        columns, rows = pixels.astype(np.int64).T
        return np.asarray(alike & look.usable[rows, columns])

    def _compare(self, seen: list[_Seen], windows: Any) -> tuple[Array, Array]:
        """Answers [N, 4] about N faces, and mean footprints [N] of the photographs that see them, 0 where none does."""
        count = windows.shape[0]
        grays, slopes, cosines = np.zeros((3, count, len(seen)), np.float32)
        footprints, total = np.zeros((2, count), np.float32)
        for column, part in enumerate(seen):
            grays[part.faces, column] = part.grays
            slopes[part.faces, column] = part.slopes
            cosines[part.faces, column] = part.cosines
            footprints[part.faces] += part.footprints
            total[part.faces] += 1
        rows = Windows(
            torch.from_numpy(windows.indptr.astype(np.int64)),
            torch.from_numpy(windows.indices.astype(np.int32)),
            torch.from_numpy(windows.data),
        )
        shown = Sightings(*(torch.from_numpy(part) for part in (grays, slopes, cosines)))
        found = photo_consistency(shown, rows, self._settings.consistency)
        return torch.stack(found, 1).numpy(), footprints / np.maximum(total, 1)


def _read(view: RunView, limit: float) -> _Look:
    camera = view.photographed.camera
    photograph = read_photograph(view, max(1, int(np.ceil(np.sqrt(camera.width * camera.height / limit)))))
    gray = np.asarray(cv2.cvtColor(photograph.image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    around = np.ones((2 * _BORDER_PX + 1,) * 2, np.uint8)
    usable = cv2.erode(photograph.usable.astype(np.uint8), around, borderValue=(1,)) > 0
    return _Look(photograph.posed, gray, usable)


def _weighted(
    distances: NDArray[np.float64], others: Indices, normals: Array, rows: slice, alike: float
) -> tuple[Indices, NDArray[np.int32], Array]:
    """Counts [R] of the members of some rows' windows, members and weights one row after the other.

    Args:
        distances: [R, K] to neighbors, in standard deviations of a window; infinite where there are no more.
        others: [R, K] which they are.
        normals: [F, 3] of all.
        rows: the R of them.
        alike: see `PhotoSettings`.
    """
    kept = np.isfinite(distances)
    others = np.where(kept, others, 0).astype(np.int32)
    cosines = np.einsum("nd,nkd->nk", normals[rows], normals[others])
    weights = np.exp(-0.5 * np.where(kept, distances, 0).astype(np.float32) ** 2)
    weights *= np.clip((cosines - alike) / (1 - alike), 0, 1)
    kept &= weights > _LEAST_WEIGHT
    weights[:, 0][~kept.any(1)], kept[:, 0] = 1, True  # a face without a direction has itself alone
    weights *= kept
    weights /= weights.sum(1, keepdims=True)
    return kept.sum(1), others[kept], weights[kept]


def _tiles(centers: Array, windows: Any, photographs: int) -> Iterator[tuple[Indices, Indices]]:
    """Parts of the faces that lie close together, sorted, and all faces that their answers depend on, sorted."""
    count = max(4096, _LOOKS // max(photographs, 1))
    for own in _split(centers, np.arange(len(centers)), count):
        needed = own
        for _ in range(_RINGS if len(own) < len(centers) else 0):
            reached = np.zeros(len(centers), bool)
            reached[windows[needed].indices] = True
            needed = np.flatnonzero(reached)
        yield own, needed


def _split(centers: Array, part: Indices, most: int) -> Iterator[Indices]:
    """Halves along the longest side until each has at most so many faces."""
    if len(part) <= most:
        if len(part):
            yield part
        return
    places = centers[part]
    axis = int(np.argmax(np.ptp(places, axis=0)))
    order = np.argpartition(places[:, axis], len(part) // 2)
    for half in (order[: len(part) // 2], order[len(part) // 2 :]):
        yield from _split(centers, np.sort(part[half]), most)


def _along(image: Array, pixels: Array, rates: Array) -> tuple[Array, Array]:
    """Grays [N] at pixels [N, 2], and how they change [N] as the pixels move by rates [N, 2]: over a pixel each way."""
    speeds = np.maximum(np.linalg.norm(rates, axis=1), 1e-12)
    step = rates / speeds[:, None]
    before, here, after = (sample_image(image, pixels + way * step, cv2.INTER_LINEAR) for way in (-1, 0, 1))
    return here, (after - before) / 2 * speeds
