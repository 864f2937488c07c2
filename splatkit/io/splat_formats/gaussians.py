"""What all formats of Gaussians share: splats as the Gaussians nearest to them, and quaternions in few bits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.splats import SplatArrays, bake_factors

SH_TERMS = (0, 3, 8, 15)  # coefficients above degree 0, by degree


def nearest_gaussians(splats: SplatArrays) -> SplatArrays:
    """The Gaussians that `splats.ply` shows for these splats, see `io.splats`; harmonics stand for lobes."""
    scale_factors, opacity_factors = bake_factors(splats.betas)
    return replace(
        splats,
        scales=(splats.scales * scale_factors[:, None]).astype(np.float32),
        opacities=np.clip(splats.opacities * opacity_factors, 0, 1).astype(np.float32),
        betas=np.full_like(splats.betas, 2.0),
        lobes=splats.lobes[:, :0],
    )


def check_finite(splats: SplatArrays) -> None:
    """Refuse what no file should hold; ValueError says what."""
    if len(splats.means) == 0:
        raise ValueError("splats: expected at least one, got none")
    if not all(np.isfinite(values).all() for values in vars(splats).values()):
        raise ValueError("splats: some have NaN or infinite parameters")


def gaussians_of_file(
    path: Path,
    means: NDArray[Any],
    quats: NDArray[Any],
    scales: NDArray[Any],
    opacities: NDArray[Any],
    sh0: NDArray[Any],
    shN: NDArray[Any],
) -> SplatArrays:
    """Gaussians that a file holds, wxyz; DatasetError where some are not finite, or none is there."""
    columns = {"means": means, "quats": quats, "scales": scales, "opacities": opacities, "sh0": sh0, "shN": shN}
    arrays: dict[str, Any] = {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in columns.items()}
    if len(means) == 0:
        raise DatasetError(f"{path}: this file holds no splats")
    bad = np.zeros(len(means), bool)
    for values in arrays.values():
        bad |= ~np.isfinite(values.reshape(len(means), -1)).all(1)
    if bad.any():
        raise DatasetError(f"{path}: parameters of {int(bad.sum())} of {len(means)} splats are NaN or infinite")
    return SplatArrays(**arrays, betas=np.full(len(means), 2.0, dtype=np.float32))


def smallest_three(quats: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which component of quaternions [N, 4] is the largest, and the others [N, 3] of the unit one where it is > 0."""
    unit = quats / np.linalg.norm(quats.astype(np.float64), axis=1, keepdims=True)
    largest = np.abs(unit).argmax(1)
    unit = unit * np.where(np.take_along_axis(unit, largest[:, None], 1) < 0, -1, 1)
    return largest, unit[np.arange(4) != largest[:, None]].reshape(-1, 3)


def from_smallest_three(largest: NDArray[np.integer], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """The way back: unit quaternions [N, 4]."""
    quats = np.empty((len(others), 4))
    quats[np.arange(4) != largest[:, None]] = others.reshape(-1)
    rest = np.sqrt(np.maximum(0, 1 - (others**2).sum(1)))
    np.put_along_axis(quats, largest[:, None], rest[:, None], 1)
    return quats


def rounded(values: NDArray[Any], most: int) -> NDArray[np.uint32]:
    """The nearest whole numbers in [0, most]."""
    return np.clip(np.rint(values), 0, most).astype(np.uint32)
