"""Charts: parts of a surface that lie flat in its texture in one piece, each as large as its texels should be."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]

_MOST_STRETCH = 2.0  # more is an error of a chart of next to no area


def face_pairs(faces: NDArray[np.integer]) -> NDArray[np.int64]:
    """Pairs of faces [E, 2] that share an edge; of an edge of many faces, one after the other."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1).astype(np.int64)
    keys = edges[:, 0] * (int(faces.max()) + 1) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    return np.stack([order[:-1][same] // 3, order[1:][same] // 3], -1)


def find_charts(pairs: NDArray[np.int64], kinds: NDArray[np.integer]) -> NDArray[np.int64]:
    """[F] the chart of each face, from 0: neighbors of one kind are in one."""
    count, alike = len(kinds), pairs[kinds[pairs[:, 0]] == kinds[pairs[:, 1]]]
    graph = coo_array((np.ones(len(alike), np.int8), (alike[:, 0], alike[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def scale_charts(flat: Array, charts: NDArray[np.int64], areas: Array, resolutions: Array) -> Array:
    """Make each chart as large as its texels should be.

    Args:
        flat: [F, 3, 2] places of the corners, each chart at any scale.
        charts: [F] of each face.
        areas: [F] of the faces, on the surface.
        resolutions: [F] texels along a unit of length.

    Returns:
        [F, 3, 2] places, as many texels in each chart as `areas` times squares of `resolutions`.
    """
    a, b = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    drawn = np.bincount(charts, np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2)
    real, wanted = np.bincount(charts, areas), np.bincount(charts, areas * resolutions**2)
    there = (drawn > 0) & (real > 0)
    scales = np.sqrt(np.divide(real, drawn, out=np.zeros_like(real), where=there))
    usual = float(np.median(scales[there])) if there.any() else 1.0
    scales = np.clip(scales, usual / _MOST_STRETCH, usual * _MOST_STRETCH)
    scales *= np.sqrt(np.divide(wanted, real, out=np.zeros_like(real), where=there))
    return np.asarray(flat * scales[charts, None, None])


def merge_corners(
    flat: Array, charts: NDArray[np.int64], faces: NDArray[np.integer]
) -> tuple[Array, NDArray[np.int64]]:
    """Places [T, 2] and faces [F, 3] of them: corners of a chart that are one vertex are one place."""
    keys = charts[:, None].astype(np.int64) * (int(faces.max()) + 1) + faces
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return flat.reshape(-1, 2)[first], inverse.reshape(-1, 3).astype(np.int64)
