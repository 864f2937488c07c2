"""What a calibration estimates, and what is known of it before.

Shared unknowns stand in one vector: a twist for each camera's extrinsic, then, where they are freed, the intrinsics of
each camera and the LiDAR's range errors: one of each laser ("ring"), and a curve over the intensity of the return.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.views import BoardView
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, exp_se3

_FOCAL_SD, _CENTER_SD, _DISTORTION_SD = 30.0, 30.0, 0.2  # px, px, 1: what supplied intrinsics may be off
_RING_SD, _INTENSITY_SD = 0.015, 0.02  # m
_OFFSET_SD = 3e-3  # m, of the mean over all returns of the errors of rings, and of those by intensity
_KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)


@dataclass(frozen=True)
class Freedom:
    """What is estimated beside extrinsics and boards."""

    intrinsics: bool = False
    rings: bool = False
    intensity: bool = False


@dataclass(frozen=True)
class Parameters:
    """A guess of all unknowns.

    Attributes:
        T_camera_lidar: [C, 4, 4] of each camera.
        T_lidar_board: [N, 4, 4] of each view.
        cameras: with their intrinsics.
        range_bias: [Q] m, measured minus true: of each ring, then at each knot of intensity; see `RangeBasis`.
    """

    T_camera_lidar: Array
    T_lidar_board: Array
    cameras: tuple[Camera, ...]
    range_bias: Array

    def moved(self, shared: Array, boards: Array, layout: "Layout") -> "Parameters":
        """After a step of the shared unknowns [S] and of the boards' twists [N, 6]."""
        cameras = self.cameras
        if layout.freedom.intrinsics:
            cameras = tuple(
                camera.with_parameters(camera.parameters + shared[layout.intrinsics(index)])
                for index, camera in enumerate(cameras)
            )
        twists = shared[: 6 * len(cameras)].reshape(-1, 6)
        bias = self.range_bias + shared[layout.biases] if layout.bias_count else self.range_bias
        return replace(
            self,
            T_camera_lidar=exp_se3(twists) @ self.T_camera_lidar,
            T_lidar_board=exp_se3(boards) @ self.T_lidar_board,
            cameras=cameras,
            range_bias=bias,
        )


@dataclass(frozen=True)
class RangeBasis:
    """How range errors of rings and of intensities sum up to that of a return.

    Attributes:
        rings: [R] numbers of the lasers that have one.
        knots: [K] intensities between which the curve is straight.
        weights: of each view [P, R + K].
        shares: [R + K] of all returns that each applies to.
    """

    rings: NDArray[np.int64]
    knots: Array
    weights: tuple[Array, ...]
    shares: Array


def range_basis(views: list[BoardView], freedom: Freedom) -> RangeBasis:
    """Of the rings and intensities that are freed; those that no view has stay out."""
    rings = np.zeros(0, dtype=np.int64)
    if freedom.rings and all(view.ring is not None for view in views):
        rings = np.unique(np.concatenate([view.ring for view in views if view.ring is not None]))
    knots = np.zeros(0)
    if freedom.intensity and all(view.intensity is not None for view in views):
        every = np.concatenate([view.intensity for view in views if view.intensity is not None])
        knots = np.unique(np.quantile(every, _KNOT_QUANTILES))
    weights = tuple(range_weights(rings, knots, view) for view in views)
    return RangeBasis(rings, knots, weights, np.concatenate(weights).mean(0))


def range_weights(rings: NDArray[np.int64], knots: Array, view: BoardView) -> Array:
    """[P, R + K] what each range error counts in the returns of a view; rings that have none stay uncorrected."""
    parts = [np.zeros((len(view.points), 0))]
    if len(rings) and view.ring is not None:
        parts.append((view.ring[:, None] == rings).astype(np.float64))
    if len(knots) and view.intensity is not None:
        parts.append(_hats(view.intensity, knots))
    return np.concatenate(parts, 1)


def _hats(values: Array, knots: Array) -> Array:
    """[N, K] weights of linear interpolation between knots, constant beyond them."""
    return np.stack([np.interp(values, knots, row) for row in np.eye(len(knots))], 1)


@dataclass(frozen=True)
class Layout:
    """Where each unknown stands in the shared vector."""

    freedom: Freedom
    intrinsic_counts: tuple[int, ...]
    bias_count: int

    @property
    def size(self) -> int:
        """Of the vector."""
        return self._first_bias + self.bias_count

    @property
    def biases(self) -> slice:
        """Of the LiDAR's ranges."""
        return slice(self._first_bias, self.size)

    @property
    def _first_bias(self) -> int:
        return 6 * len(self.intrinsic_counts) + (sum(self.intrinsic_counts) if self.freedom.intrinsics else 0)

    def extrinsic(self, camera: int) -> slice:
        """Of a camera's twist."""
        return slice(6 * camera, 6 * camera + 6)

    def intrinsics(self, camera: int) -> slice:
        """Of a camera; empty where they are not freed."""
        start = 6 * len(self.intrinsic_counts) + sum(self.intrinsic_counts[:camera])
        return slice(start, start + (self.intrinsic_counts[camera] if self.freedom.intrinsics else 0))

    def camera(self, camera: int) -> NDArray[np.int64]:
        """Of a camera's twist, then of its intrinsics."""
        every = np.arange(self.size)
        return np.concatenate([every[self.extrinsic(camera)], every[self.intrinsics(camera)]])


@dataclass(frozen=True)
class Prior:
    """Rows [n, S] . shared = targets [n] with standard deviation 1, and the deviations [S] before any view is seen."""

    rows: Array
    targets: Array
    deviations: Array


def make_prior(supplied: tuple[Camera, ...], basis: RangeBasis, layout: Layout, current: Parameters) -> Prior:
    """What is known of the step from the current guess: intrinsics near those supplied, range errors near zero.

    An offset of all ranges moves the LiDAR, and planes cannot tell one from the other; rims can, for a plate that is
    farther away subtends less. Where rims say nothing the prior does, and the covariance is as wide as it.
    """
    deviations = np.full(layout.size, np.inf)
    wanted = np.zeros(layout.size)
    if layout.freedom.intrinsics:
        for index, camera in enumerate(supplied):
            where = layout.intrinsics(index)
            spread = [_FOCAL_SD] * 2 + [_CENTER_SD] * 2 + [_DISTORTION_SD] * (layout.intrinsic_counts[index] - 4)
            deviations[where] = spread
            wanted[where] = camera.parameters - current.cameras[index].parameters
    rings = len(basis.rings)
    if layout.bias_count:
        deviations[layout.biases] = [_RING_SD] * rings + [_INTENSITY_SD] * len(basis.knots)
        wanted[layout.biases] = -current.range_bias
    known = np.flatnonzero(np.isfinite(deviations))
    rows = [np.eye(layout.size)[known] / deviations[known, None]]
    targets = [wanted[known] / deviations[known]]
    start = layout.biases.start
    for offset, shares in ((0, basis.shares[:rings]), (rings, basis.shares[rings:])):
        if len(shares):
            row = np.zeros(layout.size)
            row[start + offset : start + offset + len(shares)] = shares / _OFFSET_SD
            rows.append(row[None])
            targets.append([-(row[layout.biases] @ current.range_bias)])
    return Prior(np.concatenate(rows), np.concatenate(targets), deviations)
