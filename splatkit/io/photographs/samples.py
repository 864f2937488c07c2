"""What readers of images with more than 8 bits in a sample give."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class WidePixels:
    """Samples of an image as they are stored."""

    samples: NDArray[Any]  # [H, W, C]: gray, gray + alpha, RGB or RGBA, alpha straight; integers, or floats
    white: float  # the sample that stands for white (and for opaque); 1 for floats
