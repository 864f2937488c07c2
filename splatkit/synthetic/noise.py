"""Band-limited noise as a sum of plane waves: smooth, without a lattice, and known at every point of space."""

import numpy as np
from numpy.typing import NDArray


class WaveNoise:
    """Noise of mean 0 and variance 1 whose wavelengths lie between 0.7 and 1.4 times `wavelength`."""

    def __init__(self, rng: np.random.Generator, wavelength: float, waves: int = 12) -> None:
        directions = rng.normal(size=(waves, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = wavelength * 2 ** rng.uniform(-0.5, 0.5, size=(waves, 1))
        self._wave_vectors = (2 * np.pi * directions / lengths).astype(np.float32)
        self._phases = rng.uniform(0, 2 * np.pi, size=waves).astype(np.float32)

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Values at points [N, 3] -> [N]."""
        total = np.zeros(len(points), dtype=np.float32)
        p = points.astype(np.float32)
        for wave_vector, phase in zip(self._wave_vectors, self._phases, strict=True):
            total += np.cos(p @ wave_vector + phase)
        return total * np.float32(np.sqrt(2 / len(self._phases)))
