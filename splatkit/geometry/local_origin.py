"""Where a world far from its origin, such as a survey's, is taken apart: local coordinates that float32 can hold, and
the place of their origin.

Float32 has 24 bits. In UTM meters (5 400 000 north) its steps are half a meter, which is lost on cameras and splats; in
coordinates that start near the scene they are micrometers.
"""

import numpy as np
from numpy.typing import NDArray

_FAR = 1000.0  # extents from the origin: beyond, float32 rounds places to more than 1e-4 of the extent


AT_ORIGIN = (0.0, 0.0, 0.0)


def as_triple(values: NDArray[np.floating]) -> tuple[float, float, float]:
    """Three numbers [3] for a record."""
    x, y, z = values.tolist()
    return x, y, z


def local_origin(places: NDArray[np.floating]) -> NDArray[np.float64]:
    """The origin [3] that coordinates of places [N, 3] are best counted from: zeros, unless they lie far from theirs.

    It is near their middle, in steps of a power of two about as long as their extent: whole meters for most surveys,
    and exact in float64.
    """
    center = places.mean(0)
    extent = float(np.ptp(places, axis=0).max())
    distance = float(np.abs(center).max())
    if not distance > _FAR * max(extent, 1.0 if extent == 0 else 0.0):
        return np.zeros(3)
    step = 2.0 ** np.ceil(np.log2(extent)) if extent > 0 else 1.0
    return np.asarray(np.round(center / step) * step)
