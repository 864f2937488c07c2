"""`splats.ply`: generalized exponential splats in the file layout of 3D Gaussian Splatting (arXiv 2308.04079).

Programs that read this layout draw Gaussians. So the standard properties hold, for each splat, the Gaussian nearest to
it ("baked"), and one extra float property `beta` holds the exponent. The bake multiplies all scales by a factor and the
opacity by another, both functions of beta alone, so our reader divides by them and gets the exact splat back. A file
without `beta` is a plain 3DGS file, beta = 2, where both factors are 1.

Spherical-beta lobes are kept exactly too, as properties `lobe_0_red` ... `lobe_0_sharpness`, `lobe_1_red` and so on.
The harmonics beside them, of any degree, are what comes nearest to color and lobes together.

The factors minimize the squared difference of the two profiles in the image plane,

    integral over r of (opacity * exp(-r^2 / (2 scale^2)) - gef_weight(r^2, beta))^2 r dr,   opacity <= 1,

whose relative error (root of the ratio to the energy of the profile) is 0.19 at beta 1, 0.08 at 1.5, 0 at 2, 0.15 at 3
and 0.35 at 8. The table below holds the minima; the tests derive it again.
"""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.ply import join_fields, read_ply_vertices, stack_fields, write_ply

# beta, factor of the scales, factor of the opacity; linear in between.
BAKE_TABLE = np.array(
    [
        (1.00, 2.32310, 0.60014),
        (1.10, 1.95963, 0.65849),
        (1.20, 1.70936, 0.71165),
        (1.35, 1.45638, 0.78262),
        (1.50, 1.28873, 0.84441),
        (1.75, 1.11049, 0.93057),
        (2.00, 1.00000, 1.00000),
        (2.25, 0.95065, 1.00000),
        (2.50, 0.91399, 1.00000),
        (3.00, 0.86387, 1.00000),
        (3.50, 0.83182, 1.00000),
        (4.00, 0.80997, 1.00000),
        (5.00, 0.78274, 1.00000),
        (6.00, 0.76692, 1.00000),
        (7.00, 0.75684, 1.00000),
        (8.00, 0.74999, 1.00000),
    ]
)

# Opacities 0 and 1 have no logit; this far from them nothing is visible in 8 bits, nor lost in float32.
_OPACITY_MARGIN = 1e-6
_HEADER_BYTES = 1 << 14
_AT_A_TIME = 1 << 16  # splats that are looked at together

_FLAT_LOG_SCALE = -20.0  # stands for a thickness of zero: 2e-9 is thinner than anything that is drawn
SH0 = 0.28209479177387814  # of the harmonic of degree 0

_POSITION_NAMES = ("x", "y", "z")
_SH0_NAMES = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALE_NAMES = ("scale_0", "scale_1", "scale_2")
_COLOR_NAMES = ("red", "green", "blue")
_UNUSED_NAMES = ("nx", "ny", "nz")
_ROTATION_NAMES = ("rot_0", "rot_1", "rot_2", "rot_3")
_REST_COUNTS = (0, 9, 24, 45)  # 3 channels times the coefficients of degrees 1..L, L = 0 to 3
LOBE_NAMES = ("red", "green", "blue", "polar", "azimuth", "sharpness")


def _no_lobes() -> NDArray[np.float32]:
    return np.zeros((0, 0, len(LOBE_NAMES)), dtype=np.float32)


@dataclass(frozen=True)
class SplatArrays:
    """N splats by the values of their parameters (not the logarithms and logits that training stores), float32."""

    means: NDArray[np.float32]  # [N, 3]
    quats: NDArray[np.float32]  # [N, 4] wxyz, any non-zero norm
    scales: NDArray[np.float32]  # [N, 3] > 0, units of the means
    opacities: NDArray[np.float32]  # [N] in [0, 1]
    betas: NDArray[np.float32]  # [N] in [1, 8]
    sh0: NDArray[np.float32]  # [N, 3] degree-0 coefficients
    shN: NDArray[np.float32]  # [N, K, 3] those of degrees 1 to L, K = (L + 1)^2 - 1
    # [N, L, 6], see `splatting.spherical_beta`; sh0 and shN are then the harmonics nearest to color and lobes together.
    lobes: NDArray[np.float32] = field(default_factory=_no_lobes)

    def __post_init__(self) -> None:
        if self.lobes.shape[1] == 0:
            object.__setattr__(self, "lobes", np.zeros((len(self.means), 0, len(LOBE_NAMES)), dtype=np.float32))


def bake_factors(betas: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factors of scale and opacity that turn a splat into the Gaussian nearest to it. betas [N] -> [N], [N]."""
    knots, scale_factors, opacity_factors = BAKE_TABLE.T
    b = np.asarray(betas, dtype=np.float64)
    return np.interp(b, knots, scale_factors), np.interp(b, knots, opacity_factors)


def write_splats(path: Path, splats: SplatArrays, comments: tuple[str, ...] = ()) -> None:
    """Write splats as a binary PLY that 3DGS viewers show rightly and `read_splats` reads back exactly."""
    count, degree_terms = splats.shN.shape[:2]
    if 3 * degree_terms not in _REST_COUNTS:
        raise ValueError(f"shN: expected [N, 0 / 3 / 8 / 15, 3], got {list(splats.shN.shape)}")
    scale_factors, opacity_factors = bake_factors(splats.betas)
    opacities = splats.opacities * opacity_factors
    opacities = np.clip(opacities, _OPACITY_MARGIN, 1 - _OPACITY_MARGIN)
    columns: list[NDArray[Any]] = [
        splats.means,
        np.zeros((count, 3), np.float32),  # normals, which the layout has and nobody uses
        splats.sh0,
        splats.shN.transpose(0, 2, 1).reshape(count, 3 * degree_terms),  # all of red, then green, then blue
        np.log(opacities / (1 - opacities))[:, None],
        np.log(splats.scales * scale_factors[:, None]),
        splats.quats,
    ]
    exact: tuple[str, ...] = ("beta",) if (splats.betas != 2).any() else ()  # plain Gaussians need none
    if exact:
        columns.append(splats.betas[:, None])
    exact += _lobe_properties(splats.lobes.shape[1])
    columns.append(splats.lobes.reshape(count, -1))
    table = np.empty((count, sum(column.shape[1] for column in columns)), np.float32)
    np.concatenate(columns, axis=1, out=table, casting="same_kind")  # straight to float32, so that there is one copy
    broken = sum(int((~np.isfinite(part)).any(1).sum()) for part in np.array_split(table, -(-count // _AT_A_TIME) or 1))
    if broken:
        raise ValueError(f"splats: {broken} of {count} have NaN or infinite parameters")
    names = (
        *_POSITION_NAMES,
        *("nx", "ny", "nz"),
        *_SH0_NAMES,
        *(f"f_rest_{k}" for k in range(3 * degree_terms)),
        "opacity",
        *_SCALE_NAMES,
        *_ROTATION_NAMES,
        *exact,
    )
    write_ply(Path(path), table.view([(name, "f4") for name in names])[:, 0], comments=comments)


def _lobe_properties(lobes: int) -> tuple[str, ...]:
    return tuple(f"lobe_{k}_{name}" for k in range(lobes) for name in LOBE_NAMES)


def has_splats(path: Path) -> bool:
    """Whether a .ply file holds splats and not a mesh or plain points, by its header."""
    with Path(path).open("rb") as file:
        return b" scale_0\n" in file.read(_HEADER_BYTES).replace(b"\r", b"")


def read_splats(path: Path) -> SplatArrays:
    """Read a splat file of ours or any in the 3DGS layout; also of disks (2D Gaussians), and with plain colors.

    Splats of which a parameter is NaN or has no meaning are left out, and a warning says how many. An infinite opacity
    is 0 or 1, and a log-scale of minus infinity a flat splat.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, not in this layout, or without a splat that has a meaning.
    """
    path = Path(path)
    vertices = read_ply_vertices(path)
    names = set(vertices.dtype.names or ())
    _check_layout(path, names)
    vertices = _meaningful(path, vertices)
    rest_count = sum(name.startswith("f_rest_") for name in names)
    betas = stack_fields(path, vertices, ("beta",))[:, 0] if "beta" in names else np.full(len(vertices), 2.0)
    if betas.min() < BAKE_TABLE[0, 0] or betas.max() > BAKE_TABLE[-1, 0]:
        raise DatasetError(f"{path}: beta must lie in [1, 8], got {betas.min():g} to {betas.max():g}")
    scale_factors, opacity_factors = bake_factors(betas)
    with np.errstate(over="ignore"):
        opacities = 1 / (1 + np.exp(-join_fields(path, vertices, ("opacity",))[:, 0].astype(np.float64)))
    lobe_count = -(-sum(name.startswith("lobe_") for name in names) // len(LOBE_NAMES))
    rest: NDArray[Any] = np.zeros((len(vertices), 0))
    if rest_count:
        rest = stack_fields(path, vertices, tuple(f"f_rest_{k}" for k in range(rest_count)))
    lobes = _no_lobes()
    if lobe_count:
        lobes = stack_fields(path, vertices, _lobe_properties(lobe_count)).reshape(len(vertices), lobe_count, -1)
    return SplatArrays(
        means=stack_fields(path, vertices, _POSITION_NAMES).astype(np.float32),
        quats=stack_fields(path, vertices, _ROTATION_NAMES).astype(np.float32),
        scales=(np.exp(_log_scales(path, vertices)) / scale_factors[:, None]).astype(np.float32),
        opacities=np.clip(opacities / opacity_factors, 0, 1).astype(np.float32),
        betas=betas.astype(np.float32),
        sh0=_base_colors(path, vertices).astype(np.float32),
        shN=rest.reshape(len(vertices), 3, rest_count // 3).transpose(0, 2, 1).astype(np.float32),
        lobes=lobes.astype(np.float32),
    )


def _check_layout(path: Path, names: set[str]) -> None:
    rest_count = sum(name.startswith("f_rest_") for name in names)
    if rest_count not in _REST_COUNTS:
        raise DatasetError(
            f"{path}: {rest_count} f_rest properties; expected 0, 9, 24 or 45 (degrees 0 to 3): save it with degree 3"
        )
    colors = _SH0_NAMES if not set(_COLOR_NAMES) <= names else ()
    layout = (*_POSITION_NAMES, *colors, "opacity", *_SCALE_NAMES[:2], *_ROTATION_NAMES)
    if missing := [name for name in layout if name not in names]:
        raise DatasetError(f"{path}: the vertices lack {', '.join(missing)}")


def _meaningful(path: Path, vertices: NDArray[np.void]) -> NDArray[np.void]:
    """The vertices without those that no splat can be made of."""
    bad = np.zeros(len(vertices), dtype=bool)
    for name in vertices.dtype.names or ():
        values = join_fields(path, vertices, (name,))[:, 0]
        if name == "opacity":
            bad |= np.isnan(values)
        elif name in _SCALE_NAMES:
            bad |= np.isnan(values) | (values == np.inf)
        elif name not in _UNUSED_NAMES:
            bad |= ~np.isfinite(values)
    if bad.all():
        raise DatasetError(f"{path}: all {len(vertices)} splats have parameters that are NaN or infinite")
    if not bad.any():
        return vertices
    warnings.warn(
        f"{path}: {int(bad.sum())} of {len(vertices)} splats are left out: parameters are NaN or infinite", stacklevel=3
    )
    return vertices[~bad]


def _log_scales(path: Path, vertices: NDArray[np.void]) -> NDArray[np.float64]:
    """[N, 3]; disks have two scales, and their normal is the third axis."""
    present = tuple(name for name in _SCALE_NAMES if name in (vertices.dtype.names or ()))
    scales = np.full((len(vertices), len(_SCALE_NAMES)), _FLAT_LOG_SCALE)
    scales[:, : len(present)] = np.maximum(join_fields(path, vertices, present), _FLAT_LOG_SCALE)
    return scales


def _base_colors(path: Path, vertices: NDArray[np.void]) -> NDArray[Any]:
    """Coefficients of degree 0 [N, 3]; of files that have 8-bit colors instead, those of the same color."""
    if set(_SH0_NAMES) <= set(vertices.dtype.names or ()):
        return stack_fields(path, vertices, _SH0_NAMES)
    return (stack_fields(path, vertices, _COLOR_NAMES).astype(np.float64) / 255 - 0.5) / SH0
