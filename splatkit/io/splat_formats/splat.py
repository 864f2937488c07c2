"""`.splat`: 32 bytes a Gaussian, of viewers in browsers: floats for position and scales, bytes for the rest.

There is no room for colors that depend on the direction.
"""

from pathlib import Path

import numpy as np

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.splat_formats.gaussians import check_finite, gaussians_of_file, nearest_gaussians, rounded
from splatkit.io.splats import SH0, SplatArrays

_RECORD = np.dtype([("mean", "<f4", 3), ("scales", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def write_splat(path: Path, splats: SplatArrays) -> int:
    """Write the Gaussians nearest to splats, the largest first, as viewers load them; returns the size in bytes.

    Raises:
        ValueError: splats have NaN or infinite parameters.
    """
    check_finite(splats)
    gaussians = nearest_gaussians(splats)
    records = np.empty(len(gaussians.means), _RECORD)
    records["mean"], records["scales"] = gaussians.means, gaussians.scales
    records["rgba"][:, :3] = rounded((gaussians.sh0 * SH0 + 0.5) * 255, 255)
    records["rgba"][:, 3] = rounded(gaussians.opacities * 255, 255)
    unit = gaussians.quats / np.linalg.norm(gaussians.quats, axis=1, keepdims=True)
    records["quat"] = rounded(unit * 128 + 128, 255)
    weights = np.log(np.maximum(gaussians.scales, 1e-30)).sum(1) + np.log(np.maximum(gaussians.opacities, 1e-30))
    with atomic_file(path) as temporary:
        temporary.write_bytes(records[np.argsort(-weights, kind="stable")].tobytes())
    return path.stat().st_size


def read_splat(path: Path) -> SplatArrays:
    """Read Gaussians without view-dependent colors.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: its size is not that of whole records, or numbers in it mean nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    content = path.read_bytes()
    if len(content) % _RECORD.itemsize:
        raise DatasetError(f"{path}: not a .splat file, or cut short: its {len(content)} bytes are not 32 a splat")
    records = np.frombuffer(content, _RECORD)
    colors = records["rgba"] / 255
    quats = (records["quat"].astype(np.float64) - 128) / 128
    if len(records) and (records["scales"].min() < 0 or (quats == 0).all(1).any()):
        raise DatasetError(f"{path}: not a .splat file, or damaged: scales below zero, or rotations of no length")
    return gaussians_of_file(
        path,
        records["mean"],
        quats,
        np.maximum(records["scales"], 1e-12),
        colors[:, 3],
        (colors[:, :3] - 0.5) / SH0,
        np.zeros((len(records), 0, 3)),
    )
