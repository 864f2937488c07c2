"""How fine the texture of each face has to be: as fine as the photographs that show it best.

A mesh outdoors has a near ground that pixels resolve to millimeters, hills that they resolve to meters, and far more
surface that none sees. At one resolution for all, the ground would be a blur beside a texture full of nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from splatkit.export.texture.charts import face_pairs
from splatkit.export.texture.visibility import MeshDepths
from splatkit.io.mesh import Mesh
from splatkit.runs.views import RunView

_PIXELS, _RAYS = 60_000, 6e6  # at most: of a photograph, and of all
_FINEST = 95  # percent of the pixels resolve no more than this: a lens that touches something does not take all texels
_UNSEEN = 2.0  # texels along a face that none sees, for it shows but a mean of colors around, as few as 1 / 16 of ...
_LEAST = 1 / 16  # ... the coarsest that is seen
_REACH = 8  # faces that an unseen one may be from seen ones, to lie between the rays
_MISSED = 20.0  # times the pixels that a ray stands for: no face is missed that covers more
_ROUNDS = 8  # of giving faces the resolution of their neighbors, so that noise does not make charts
_MANY = 32.0  # texels of a face that weigh as much as a neighbor


def face_resolutions(mesh: Mesh, depths: MeshDepths, views: Sequence[RunView]) -> NDArray[np.float64]:
    """Texels along a unit of length [F] that hold what photographs show of each of F faces: powers of two.

    Rays through some of the pixels find the best photograph of each face.
    """
    best, pixels, areas = np.zeros(len(mesh.faces)), [], mesh.face_areas()
    count, apart = min(_PIXELS, _RAYS / len(views)), 1.0
    for view in views:
        faces, found = depths.resolutions(view.photographed, count)
        np.maximum.at(best, faces, found)
        pixels.append(found)
        apart = max(apart, view.photographed.camera.width * view.photographed.camera.height / count)
    seen = np.concatenate(pixels)
    if len(seen) == 0:
        return np.ones(len(best))
    best = np.minimum(best, np.percentile(seen, _FINEST))
    pairs = face_pairs(mesh.faces)
    _spread(best, pairs, areas / (_MISSED * apart))
    coarsest = np.percentile(seen, 100 - _FINEST)
    unseen = np.clip(_UNSEEN / np.sqrt(np.maximum(areas, 1e-30)), _LEAST * coarsest, coarsest)
    levels = np.round(np.log2(np.where(best > 0, np.maximum(best, coarsest), unseen)))
    return 2.0 ** _smoothed(levels.astype(np.int64), pairs, areas)


def _spread(best: NDArray[np.float64], pairs: NDArray[np.int64], sizes: NDArray[np.float64]) -> None:
    """Faces between the rays take the finest of their neighbors, in place.

    Those whose `sizes` [F], times the square of that, are 1 or more no rays miss: none sees them.
    """
    for _ in range(_REACH):
        around = np.zeros_like(best)
        np.maximum.at(around, pairs[:, 0], best[pairs[:, 1]])
        np.maximum.at(around, pairs[:, 1], best[pairs[:, 0]])
        missed = (best == 0) & (sizes * around**2 < 1)
        best[missed] = around[missed]


def _smoothed(levels: NDArray[np.int64], pairs: NDArray[np.int64], areas: NDArray[np.float64]) -> NDArray[np.int64]:
    """Levels [F] that most neighbors share, but for faces of many texels; of two that as many share the finer one."""
    own, lowest = 0.5 + areas * 4.0**levels / _MANY, levels.min()
    levels = levels - lowest
    count, kinds = len(levels), int(levels.max()) + 1
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    for _ in range(_ROUNDS):
        votes = coo_array((np.ones(len(rows)), (rows, levels[columns])), shape=(count, kinds)).toarray()
        votes[np.arange(count), levels] += own
        levels = kinds - 1 - votes[:, ::-1].argmax(1)
    return levels + lowest
