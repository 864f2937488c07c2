"""The camera of splatkit: a lens before an image, and the same at a pose.

The camera's frame has x to the right, y down and z forward (OpenCV's axes); pixel centers lie at +0.5. All methods take
NumPy arrays or torch Tensors and give back the same kind and float type. The lenses' formulas are in
`geometry.lens_models`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import SettingsError
from splatkit.geometry.brown_conrady import five_step_tangents
from splatkit.geometry.kannala_brandt import FISHEYE_LIMIT_RAD
from splatkit.geometry.lens_model import LensModel
from splatkit.geometry.lens_models import LENS_MODELS, LensName
from splatkit.geometry.namespace import Array, floats, is_tensor, namespace_of
from splatkit.geometry.se3 import invert, is_rigid

_COUNTS: dict[str, tuple[int, ...]] = {"brown_conrady": (4, 5, 8), "kannala_brandt": (4,)}
_EDGE_SAMPLES = 33
_BEYOND_EDGE = 1.05  # of the view's radius: farther rays are not looked at, for a polynomial folds them back in
_RECTIFIED_SAMPLES = 9  # of each edge; OpenCV's number
_PART = 16384  # pixels
_NO_SKEW = 1e-6  # of the focal length


@dataclass(frozen=True)
class Camera:
    """Intrinsics at the resolution of an image."""

    model: LensName
    width: int  # px
    height: int  # px
    fx: float  # px; orthographic: px per unit of length, equirectangular: px per rad
    fy: float  # px
    cx: float  # px, the center of the first pixel is at 0.5
    cy: float  # px
    distortion: tuple[float, ...] = ()  # as LENS_MODELS names them; brown_conrady: the first 4, 5 or 8

    def __post_init__(self) -> None:
        if self.model not in LENS_MODELS:
            raise SettingsError(f"model: expected one of {', '.join(LENS_MODELS)}, got {self.model!r}")
        for name in ("width", "height"):
            if not getattr(self, name) == int(getattr(self, name)) > 0:
                raise SettingsError(f"{name}: expected a whole number of pixels above 0, got {getattr(self, name)}")
            object.__setattr__(self, name, int(getattr(self, name)))
        for name in ("fx", "fy", "cx", "cy"):
            value = float(getattr(self, name))
            if not np.isfinite(value) or (name in ("fx", "fy") and value <= 0):
                wanted = "a finite number" if name in ("cx", "cy") else "a focal length above 0 px"
                raise SettingsError(f"{name}: expected {wanted}, got {value}")
            object.__setattr__(self, name, value)
        distortion = tuple(float(value) for value in self.distortion)
        counts = _COUNTS.get(self.model, (0,))
        if len(distortion) not in counts:
            wanted = " or ".join(str(count) for count in counts)
            raise SettingsError(f"distortion: {self.model} has {wanted} distortion coefficients, got {len(distortion)}")
        if not np.isfinite(distortion).all():
            raise SettingsError(f"distortion: expected finite numbers, got {list(distortion)}")
        object.__setattr__(self, "distortion", distortion)

    @classmethod
    def from_K(
        cls, model: LensName, K: NDArray[np.floating], width: int, height: int, distortion: Sequence[float] = ()
    ) -> "Camera":
        """A camera with the matrix K [3, 3], px."""
        K = np.asarray(K, np.float64)
        if K.shape != (3, 3) or not np.isfinite(K).all():
            raise SettingsError(f"K: expected a finite matrix [3, 3], got {K.tolist()}")
        if abs(K[0, 1]) > _NO_SKEW * abs(K[0, 0]):
            raise SettingsError(f"K: expected no skew, got {K[0, 1]} px")
        return cls(model, width, height, K[0, 0], K[1, 1], K[0, 2], K[1, 2], tuple(distortion))

    @property
    def lens(self) -> LensModel:
        """The formulas of the model."""
        return LENS_MODELS[self.model]

    @property
    def coefficients(self) -> dict[str, float]:
        """The distortion by name; all that the model has."""
        names = self.lens.coefficients
        return dict(zip(names, (*self.distortion, *[0.0] * (len(names) - len(self.distortion))), strict=True))

    @property
    def K(self) -> NDArray[np.float64]:
        """[3, 3] px."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def has_distortion(self) -> bool:
        """Whether a coefficient is not zero."""
        return any(self.distortion)

    @property
    def is_pinhole(self) -> bool:
        """Whether straight lines stay straight; a fisheye never is one, also with all coefficients zero."""
        return self.model == "pinhole" or (self.model == "brown_conrady" and not self.has_distortion)

    @property
    def parameters(self) -> NDArray[np.float64]:
        """fx, fy, cx, cy (px), then the distortion, [4 + D]."""
        return np.array([self.fx, self.fy, self.cx, self.cy, *self.distortion])

    def with_parameters(self, parameters: Sequence[float] | NDArray[np.float64]) -> "Camera":
        """The same camera with other `parameters`."""
        fx, fy, cx, cy, *distortion = (float(value) for value in parameters)
        return replace(self, fx=fx, fy=fy, cx=cx, cy=cy, distortion=tuple(distortion))

    def project(self, points: Array, nearest: float = 0.05) -> tuple[Array, Any]:
        """Pixels [N, 2] of points [N, 3], and which [N] are in the image.

        Rays beyond the image's own edge count as outside even where the lens's polynomial brings them back into it; so
        do points closer than `nearest`: along z, for equirectangular images in any direction.
        """
        points = floats("points", points, 3)
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        if self._divides:
            seen = z > nearest
            depth = xp.where(seen, z, 1.0)
            x, y = x / depth, y / depth
            if not self.is_pinhole:
                seen = seen & (xp.radius(x, y, 0.0) <= self.largest_radius)
                x, y = xp.where(seen, x, 0.0), xp.where(seen, y, 0.0)
                x, y = self.lens.from_tangents(x, y, self.distortion)
        else:
            distance = z if self.model == "orthographic" else xp.sqrt(x * x + y * y + z * z)
            seen = distance > nearest
            plane = self.lens.distort(points, self.distortion)
            x, y = plane[..., 0], plane[..., 1]
        u, v = xp.where(seen, x * self.fx + self.cx, -1.0), xp.where(seen, y * self.fy + self.cy, -1.0)
        return xp.stack([u, v]), seen & (u >= 0) & (u < self.width) & (v >= 0) & (v < self.height)

    def image(self, points: Array) -> Array:
        """Pixels [N, 2] of points [N, 3] by the lens's formula alone; they mean something where z > 0."""
        return self._to_pixels(self._ideal.distort(floats("points", points, 3), self._coefficients))

    def jacobian(self, points: Array) -> tuple[Array, Array]:
        """As `image`, and derivatives [N, 2, 3] of the pixels to the points."""
        points = floats("points", points, 3)
        plane, to_points, _ = self._ideal.linearize(points, self._coefficients)
        return self._to_pixels(plane), to_points * namespace_of(points).constant(self._focal[:, None], points)

    def jacobians(self, points: Array) -> tuple[Array, Array, Array]:
        """As `jacobian`, and derivatives [N, 2, 4 + D] to the `parameters`."""
        points = floats("points", points, 3)
        xp = namespace_of(points)
        plane, to_points, to_distortion = self.lens.linearize(points, self.distortion)
        focal = xp.constant(self._focal[:, None], points)
        u, v = plane[..., 0], plane[..., 1]
        one, zero = xp.ones_like(u), xp.zeros_like(u)
        to_K = xp.matrix([[u, zero, one, zero], [zero, v, zero, one]])
        return self._to_pixels(plane), to_points * focal, xp.concatenate([to_K, to_distortion * focal])

    def tangents(self, pixels: Array) -> Array:
        """x / z and y / z of the rays of pixels [N, 2], [N, 2]; NaN beyond what the lens shows."""
        return _by_parts(lambda part: self._ideal.tangents(self._plane(part), self._coefficients), pixels)

    def rays(self, pixels: Array) -> Array:
        """Unit directions [N, 3] of the rays of pixels [N, 2]; NaN where the lens has none."""
        return _by_parts(lambda part: self._ideal.rays(self._plane(part), self._coefficients), pixels)

    def unproject(self, pixels: Array, depths: Array) -> Array:
        """Points [N, 3] at pixels [N, 2] with z = depths [N]; NaN beyond what the lens shows."""
        pixels = floats("pixels", pixels, 2)
        xp = namespace_of(pixels)
        if self.model == "orthographic":
            plane = self._plane(pixels)
            return xp.stack([plane[..., 0], plane[..., 1], depths])
        tangents = self.tangents(pixels)
        return xp.stack([tangents[..., 0] * depths, tangents[..., 1] * depths, depths])

    @cached_property
    def fold_radius(self) -> float:
        """Distance from the axis, at depth 1, up to which farther rays fall farther out; may be inf."""
        return self.lens.fold_tangent(self.distortion)

    @cached_property
    def largest_radius(self) -> float:
        """Distance from the axis, at depth 1, of the outermost ray looked at: the image's edge or the lens's fold."""
        rays = self.tangents(self._edge())
        radii = np.hypot(*rays.T)
        farthest = float(radii.max()) if np.isfinite(radii).all() else float(np.tan(FISHEYE_LIMIT_RAD))
        return min(_BEYOND_EDGE * farthest, self.fold_radius)

    def usable_pixels(self) -> NDArray[np.bool_] | None:
        """Pixels [H, W] of a fisheye that look less than 85 degrees sideways; None where all do and of other lenses."""
        limit = self.lens.usable_radius(self.distortion)
        if np.isinf(limit):
            return None
        x = (np.arange(self.width) + 0.5 - self.cx) / self.fx
        y = (np.arange(self.height) + 0.5 - self.cy) / self.fy
        usable = x[None] ** 2 + y[:, None] ** 2 < limit**2
        return None if usable.all() else usable

    def scaled(self, width: int, height: int) -> "Camera":
        """The same lens before an image of another size; distortion is of rays and stays."""
        x, y = width / self.width, height / self.height
        return replace(self, width=width, height=height, fx=self.fx * x, fy=self.fy * y, cx=self.cx * x, cy=self.cy * y)

    def reduced(self, factor: int) -> "Camera":
        """Of an image whose pixels are means of `factor` by `factor`; the border that does not fill one is left out."""
        return replace(
            self,
            width=self.width // factor,
            height=self.height // factor,
            fx=self.fx / factor,
            fy=self.fy / factor,
            cx=self.cx / factor,
            cy=self.cy / factor,
        )

    def cropped(self, x: int, y: int, width: int, height: int) -> "Camera":
        """Of the part of the image, width by height, whose first pixel is at column x and row y."""
        if not (0 <= x <= self.width - width and 0 <= y <= self.height - height):
            raise SettingsError(
                f"x, y, width, height: {x}, {y}, {width}, {height} does not lie in {self.width}x{self.height} px"
            )
        return replace(self, width=width, height=height, cx=self.cx - x, cy=self.cy - y)

    def rectified(self) -> "Camera":
        """The pinhole camera whose whole image, of the same size, this camera's image shows.

        A rectification turns nothing: poses and z-depths stay what they were.

        Raises:
            SettingsError: there is none.
        """
        if self.is_pinhole:
            return replace(self, model="pinhole", distortion=())
        if self.model == "brown_conrady":
            fx, fy, cx, cy = self._rectified_perspective()
        elif self.model == "kannala_brandt":
            fx, fy, cx, cy = self._rectified_fisheye()
        else:
            raise SettingsError(f"model: {self.model} images cannot be rectified; cut them into pinhole views")
        return Camera("pinhole", self.width, self.height, fx, fy, cx, cy)

    @property
    def _divides(self) -> bool:
        """Whether an image is one of x / z and y / z in front of the camera."""
        return self.model in ("pinhole", "brown_conrady", "kannala_brandt")

    @property
    def _ideal(self) -> LensModel:
        return LENS_MODELS["pinhole"] if self.is_pinhole else self.lens

    @property
    def _coefficients(self) -> tuple[float, ...]:
        return () if self.is_pinhole else self.distortion

    @property
    def _focal(self) -> NDArray[np.float64]:
        return np.array([self.fx, self.fy])

    def _to_pixels(self, plane: Any) -> Any:
        return namespace_of(plane).stack([plane[..., 0] * self.fx + self.cx, plane[..., 1] * self.fy + self.cy])

    def _plane(self, pixels: Any) -> Any:
        u, v = (pixels[..., 0] - self.cx) / self.fx, (pixels[..., 1] - self.cy) / self.fy
        return namespace_of(pixels).stack([u, v])

    def _edge(self) -> NDArray[np.float64]:
        """Pixels [N, 2] along the image's edge."""
        x, y = np.linspace(0, self.width, _EDGE_SAMPLES), np.linspace(0, self.height, _EDGE_SAMPLES)
        sides = [(x, 0.0 * x), (x, 0.0 * x + self.height), (0.0 * y, y), (0.0 * y + self.width, y)]
        return np.concatenate([np.stack(side, -1) for side in sides])

    def _rectified_perspective(self) -> tuple[float, float, float, float]:
        """Focal lengths and center for which the largest rectangle among the rays of the edge fills the image.

        As cv2.getOptimalNewCameraMatrix with alpha = 0 has it, which looks at the centers of pixels and inverts the
        lens by five steps: datasets that were rectified by it stay what they are.
        """
        x = np.linspace(0, self.width - 1, _RECTIFIED_SAMPLES) + 0.5
        y = np.linspace(0, self.height - 1, _RECTIFIED_SAMPLES) + 0.5
        grid = five_step_tangents(self._plane(np.stack(np.meshgrid(x, y), -1)), self.distortion)
        left, right = grid[:, 0, 0].max(), grid[:, -1, 0].min()
        top, bottom = grid[0, :, 1].max(), grid[-1, :, 1].min()
        if not (left < right and top < bottom):
            raise SettingsError("distortion: no pinhole image lies inside of this camera's")
        fx, fy = (self.width - 1) / (right - left), (self.height - 1) / (bottom - top)
        return fx, fy, 0.5 - fx * left, 0.5 - fy * top

    def _rectified_fisheye(self) -> tuple[float, float, float, float]:
        """Focal lengths and center for which the image reaches as far as the nearest middle of an edge.

        As cv2.fisheye.estimateNewCameraMatrixForUndistortRectify with balance = 0 has it. Where an edge lies beyond
        what a pinhole can show, the farthest ray toward it that counts takes its place.
        """
        width, height = self.width, self.height
        middles = np.array([[width // 2, 0], [width, height // 2], [width // 2, height], [0, height // 2]]) + 0.5
        plane = self._plane(middles)
        farthest = np.tan(min(FISHEYE_LIMIT_RAD, self.lens.fold(self.distortion)))
        outermost = plane / np.maximum(np.linalg.norm(plane, axis=1, keepdims=True), 1e-12) * farthest
        tangents = self.lens.tangents(plane, self.distortion)
        tangents = np.where(np.isfinite(tangents), tangents, outermost)
        center = tangents.mean(0)
        low, high = center - tangents.min(0), tangents.max(0) - center
        focal = max(width / 2 / min(low[0], high[0]), height / 2 / min(low[1], high[1]))
        ratio = self.fy / self.fx
        return focal, focal * ratio, width / 2 - focal * center[0] + 0.5, height / 2 - focal * center[1] + 0.5


@dataclass(frozen=True, eq=False)
class PosedCamera:
    """A camera at a place of the world."""

    name: str
    camera: Camera
    T_world_camera: NDArray[np.float64]  # [4, 4]

    def __post_init__(self) -> None:
        T = np.array(self.T_world_camera, np.float64)
        if T.shape != (4, 4) or not np.isfinite(T).all():
            raise SettingsError(f"T_world_camera: expected a finite matrix [4, 4], got {T.tolist()}")
        if not is_rigid(T):
            raise SettingsError(f"T_world_camera: expected a rigid transform, got {T.tolist()}")
        T.flags.writeable = False
        object.__setattr__(self, "T_world_camera", T)

    @cached_property
    def T_camera_world(self) -> NDArray[np.float64]:
        """[4, 4]."""
        T = invert(self.T_world_camera)
        T.flags.writeable = False
        return T

    @property
    def center(self) -> NDArray[np.float64]:
        """[3], world."""
        return self.T_world_camera[:3, 3]

    def project(self, points: Array, nearest: float = 0.05) -> tuple[Array, Any]:
        """As `Camera.project`, of points [N, 3] of the world."""
        return self.camera.project(self.local(points), nearest)

    def image(self, points: Array) -> tuple[Array, Array]:
        """Pixels [N, 2] and z-depths [N] of points [N, 3] of the world, without checks."""
        local = self.local(points)
        return self.camera.image(local), local[..., 2]

    def local(self, points: Array) -> Array:
        """Points [N, 3] of the world in the camera's frame."""
        return _moved(self.T_camera_world, floats("points", points, 3))

    def rays(self, pixels: Array) -> tuple[Array, Array]:
        """Origins [N, 3] and directions [N, 3] in the world of the rays of pixels [N, 2].

        Directions have z-depth 1 in the camera, so that points at z-depth d lie at origin + d * direction.
        """
        pixels = floats("pixels", pixels, 2)
        depths = namespace_of(pixels).ones_like(pixels[..., 0])
        starts = self.camera.unproject(pixels, 0 * depths)
        ends = self.camera.unproject(pixels, depths)
        R = namespace_of(pixels).constant(self.T_world_camera[:3, :3], pixels)
        return _moved(self.T_world_camera, starts), (ends - starts) @ R.T


def _by_parts(function: Callable[[Any], Any], pixels: Any) -> Any:
    """function(pixels), of an ndarray [N, 2] in parts that fit a cache: an inverse goes over them many times."""
    pixels = floats("pixels", pixels, 2)
    if is_tensor(pixels) or pixels.ndim != 2 or len(pixels) <= _PART:
        return function(pixels)
    return np.concatenate([function(pixels[start : start + _PART]) for start in range(0, len(pixels), _PART)])


def _moved(T: NDArray[np.float64], points: Any) -> Any:
    matrix = namespace_of(points).constant(T, points)
    return points @ matrix[:3, :3].T + matrix[:3, 3]
