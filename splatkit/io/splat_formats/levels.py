"""Levels of detail: each has half as many splats as the one before, which are Gaussians merged in pairs.

Two Gaussians become the one with the mean and the covariance of both together, each weighted by the light that it
takes away, its opacity times its area. Colors are averaged by the same weights, and the new opacity takes away as much
light as both did. First go the pairs whose merging changes least (Ward 1963, doi 10.1080/01621459.1963.10500845): the
distance of their means by their own sizes, and that of their colors, weighted by w1 w2 / (w1 + w2).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from splatkit.io.splat_formats.gaussians import nearest_gaussians
from splatkit.io.splats import SH0, SplatArrays

_NEIGHBORS = 10  # that a splat may be merged with
_ROUNDS = 4  # of looking for neighbors; what is left then has none in its region
_MATCHINGS = 8  # of splats that are each other's best partner
_COLOR_SHARE = 10.0  # squared standard deviations that black and white are apart
_LEAST_WEIGHT = 1e-12


def coarser(splats: SplatArrays, regions: NDArray[np.int64]) -> tuple[SplatArrays, NDArray[np.int64]]:
    """Half as many Gaussians, or one for each region.

    Args:
        splats: N >= 1.
        regions: [N] of space; none is merged over the border of two.

    Returns:
        The Gaussians and their regions.
    """
    current, target = nearest_gaussians(splats), len(splats.means) // 2
    for _ in range(_ROUNDS):
        wanted = len(current.means) - target
        if wanted <= 0:
            break
        first, second = _best_pairs(current, regions, wanted)
        if len(first) == 0:
            break
        alone = np.ones(len(current.means), bool)
        alone[first] = alone[second] = False
        merged = _merged(current, first, second)
        current = SplatArrays(
            **{name: np.concatenate([values[alone], getattr(merged, name)]) for name, values in vars(current).items()}
        )
        regions = np.concatenate([regions[alone], regions[first]])
    return current, regions


def covariances(splats: SplatArrays) -> NDArray[np.float64]:
    """[N, 3, 3] of Gaussians."""
    axes = Rotation.from_quat(splats.quats[:, [1, 2, 3, 0]]).as_matrix() * splats.scales[:, None].astype(np.float64)
    return np.asarray(axes @ axes.transpose(0, 2, 1))


def _areas(scales: NDArray[np.floating]) -> NDArray[np.float64]:
    """In proportion to the area of ellipsoids [N], averaged over all directions; disks have one too."""
    a, b, c = scales.astype(np.float64).T
    return np.asarray(a * b + b * c + c * a)


def _weights(splats: SplatArrays) -> NDArray[np.float64]:
    return np.asarray(np.maximum(splats.opacities * _areas(splats.scales), _LEAST_WEIGHT))


def _best_pairs(
    splats: SplatArrays, regions: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """At most so many pairs, of neighbors that are each other's best partner, the cheapest."""
    count = len(splats.means)
    if count < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    points = splats.means.astype(np.float64)
    _, near = cKDTree(points).query(points, min(_NEIGHBORS + 1, count), workers=-1)
    own = np.arange(count)
    spreads, weights = covariances(splats), _weights(splats)
    costs = np.stack([_costs(splats, spreads, weights, own, column) for column in near.T], 1)
    costs[(near == own[:, None]) | (regions[near] != regions[:, None])] = np.inf
    pairs, free = list[NDArray[np.int64]](), np.ones(count, bool)
    for _ in range(_MATCHINGS):
        open_costs = np.where(free[near] & free[:, None], costs, np.inf)
        best = open_costs.argmin(1)
        partner = np.where(np.isfinite(open_costs[own, best]), near[own, best], -1)
        agreed = np.flatnonzero((partner > own) & (partner[partner] == own))
        if len(agreed) == 0:
            break
        pairs.append(np.stack([agreed, partner[agreed], best[agreed]], 1))
        free[agreed] = free[partner[agreed]] = False
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = np.concatenate(pairs)
    found = found[np.argsort(costs[found[:, 0], found[:, 2]], kind="stable")[:most]]
    return found[:, 0], found[:, 1]


def _costs(
    splats: SplatArrays,
    spreads: NDArray[np.float64],
    w: NDArray[np.float64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What merging each pair changes."""
    spread = spreads[i] + spreads[j]
    spread += 1e-6 * np.trace(spread, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    apart = (splats.means[i] - splats.means[j]).astype(np.float64)
    distances = (apart * np.linalg.solve(spread, apart[..., None])[..., 0]).sum(1)
    colors = ((SH0 * (splats.sh0[i] - splats.sh0[j]).astype(np.float64)) ** 2).sum(1)
    return np.asarray(w[i] * w[j] / (w[i] + w[j]) * (distances + _COLOR_SHARE * colors))


def _merged(splats: SplatArrays, i: NDArray[np.int64], j: NDArray[np.int64]) -> SplatArrays:
    """One Gaussian for each pair."""
    w = _weights(splats)
    share = (w[i] / (w[i] + w[j]))[:, None]

    def mean_of(values: NDArray[np.float32]) -> NDArray[np.float64]:
        wide = share.reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(wide * values[i] + (1 - wide) * values[j])

    both = covariances(splats)
    apart = (splats.means[i] - splats.means[j]).astype(np.float64)
    spread = share[..., None] * both[i] + (1 - share[..., None]) * both[j]
    spread += (share * (1 - share))[..., None] * apart[:, :, None] * apart[:, None, :]
    variances, axes = np.linalg.eigh(spread)
    axes[:, :, 0] *= np.sign(np.linalg.det(axes))[:, None]
    scales = np.sqrt(np.maximum(variances, 0))
    least = np.minimum(splats.scales[i].min(1), splats.scales[j].min(1)).astype(np.float64)
    scales = np.maximum(scales, least[:, None])
    opacities = np.minimum((w[i] + w[j]) / np.maximum(_areas(scales), _LEAST_WEIGHT), 1)
    columns = {
        "means": mean_of(splats.means),
        "quats": Rotation.from_matrix(axes).as_quat()[:, [3, 0, 1, 2]],
        "scales": scales,
        "opacities": opacities,
        "betas": np.full(len(i), 2.0),
        "sh0": mean_of(splats.sh0),
        "shN": mean_of(splats.shN),
    }
    return SplatArrays(**{name: values.astype(np.float32) for name, values in columns.items()})
