"""How blurred a photograph is, in pixels, whatever it shows.

An edge that is blurred by a Gaussian of standard deviation s has a profile of slope g with
sum(g^2) / (2 sum(g'^2)) = s^2, whatever its contrast. The blur of an image is the root of that ratio over all pixels,
g' along the gradient; pixels are sorted by the direction of their gradient, and the worst direction counts, so that a
shake along one axis shows. What smoothing against noise adds is taken off again. Texture that is truly soft looks like
blur: compare images of one scene.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST_SIDE = 1280  # px that images are reduced to: a blur that this hides hurts neither cameras nor splats
_SMOOTHING_PX = 1.2
_DIFFERENCES_PX2 = 0.3  # variance that taking differences adds to an edge's profile
_DIRECTIONS = 4
_LEAST_SHARE = 0.08  # of all slopes: directions with less have no edges
_THUMBNAIL_PX = 64


def blur_width(gray: NDArray[np.uint8]) -> float:
    """Standard deviation, px, of the blur of an image [H, W] in its worst direction; infinite where nothing is seen."""
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _SMOOTHING_PX)
    dx, dy, dxx, dyy = (cv2.Sobel(smooth, cv2.CV_32F, *n, ksize=1) for n in ((1, 0), (0, 1), (2, 0), (0, 2)))
    dx, dy = dx / 2, dy / 2
    dxy = cv2.Sobel(dx, cv2.CV_32F, 0, 1, ksize=1) / 2
    slope = dx**2 + dy**2
    total = float(slope.sum())
    if total < 1e-3 * slope.size:  # of (gray levels per px) ^ 2: nothing but rounding
        return float("inf")
    bend = (dx**2 * dxx + 2 * dx * dy * dxy + dy**2 * dyy) / np.maximum(slope, 1e-6)
    angle = np.arctan2(dy, dx) / np.pi * _DIRECTIONS  # -4 to 4; opposite directions are one
    direction = np.round(angle).astype(np.int64).ravel() % _DIRECTIONS
    slopes = np.bincount(direction, slope.ravel(), _DIRECTIONS)
    bends = np.bincount(direction, (bend**2).ravel(), _DIRECTIONS)
    counted = (slopes > _LEAST_SHARE * total) & (bends > 0)
    variance = float((slopes[counted] / (2 * bends[counted])).max(initial=0.0))
    return float(np.sqrt(max(variance - _SMOOTHING_PX**2 - _DIFFERENCES_PX2, 0.0)))


def reduced_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image [H, W, 3 or 4] (RGB) or [H, W] in gray, at most `LONGEST_SIDE` px long."""
    gray = image if image.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)
    scale = LONGEST_SIDE / max(gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(gray, dtype=np.uint8)


def thumbnail(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is compared to find images that show the same: small, smooth, of mean 0 and deviation 1."""
    scale = _THUMBNAIL_PX / max(gray.shape)
    size = (max(round(gray.shape[1] * scale), 8), max(round(gray.shape[0] * scale), 8))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - small.mean()) / max(float(small.std()), 1e-3), dtype=np.float32)


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Root mean square difference of two thumbnails: 0 is the same image, 1.4 are images of different places."""
    return float(np.sqrt(((a - b) ** 2).mean())) if a.shape == b.shape else float("inf")
