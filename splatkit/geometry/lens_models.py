"""Where a lens puts the image of a point, and its inverse: each formula once, for NumPy and torch.

A lens maps points of the camera's frame (x right, y down, z forward) to the plane of its image at focal length 1, about
the principal point. Pixels, focal lengths and image sizes belong to `geometry.camera`.

pinhole, brown_conrady: Brown (1971), with the radial quotient and the order of coefficients of OpenCV.
kannala_brandt: Kannala and Brandt, TPAMI 2006, with the four coefficients that OpenCV uses; up to 180 degrees from the
axis, where OpenCV stops at 90.
orthographic: parallel rays. equirectangular: longitude and latitude, rad, zero straight ahead.

Coefficients are a sequence of numbers, or of arrays that broadcast with the points' leading axes; an inverse takes
numbers alone. What is float32 stays float32. Of a Tensor's inverse, first derivatives are right.
"""

from typing import Literal

import numpy as np

from splatkit.geometry.brown_conrady import BROWN_CONRADY
from splatkit.geometry.kannala_brandt import KANNALA_BRANDT
from splatkit.geometry.lens_model import AXIS, Coefficients, LensModel, Pinhole
from splatkit.geometry.namespace import Array, namespace_of

LensName = Literal["pinhole", "brown_conrady", "kannala_brandt", "orthographic", "equirectangular"]


class _Orthographic(LensModel):
    """Parallel rays."""

    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        out: Array = points[..., :2]
        return out

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        xp = namespace_of(points)
        one, zero = xp.ones_like(points[..., 0]), xp.zeros_like(points[..., 0])
        jacobian = xp.matrix([[one, zero, zero], [zero, one, zero]])
        return points[..., :2], jacobian, jacobian[..., :0]

    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(plane)
        zero = plane[..., 0] * 0  # NaN where the plane is
        out: Array = xp.stack([zero, zero, zero + 1])
        return out


class _Equirectangular(LensModel):
    """Longitude and latitude, rad, zero straight ahead."""

    def distort(self, points: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        out: Array = xp.stack([xp.arctan2(x, z), xp.arctan2(y, xp.radius(x, z, AXIS))])
        return out

    def linearize(self, points: Array, coeffs: Coefficients) -> tuple[Array, Array, Array]:
        xp = namespace_of(points)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        h = xp.radius(x, z, AXIS)
        h2, scale = h * h, -y / (h * (h * h + y * y))
        jacobian = xp.matrix(
            [[z / h2, xp.zeros_like(x), -x / h2], [x * scale, h / (h2 + y * y), z * scale]],
        )
        return self.distort(points, coeffs), jacobian, jacobian[..., :0]

    def rays(self, plane: Array, coeffs: Coefficients) -> Array:
        xp = namespace_of(plane)
        longitude, latitude = plane[..., 0], plane[..., 1]
        slack = 1 + 8 * xp.epsilon(plane)
        inside = (xp.abs(longitude) <= np.pi * slack) & (xp.abs(latitude) <= np.pi / 2 * slack)
        across = xp.cos(latitude)
        rays = xp.stack([xp.sin(longitude) * across, xp.sin(latitude), xp.cos(longitude) * across])
        out: Array = xp.where(inside[..., None], rays, np.nan)
        return out


LENS_MODELS: dict[LensName, LensModel] = {
    "pinhole": Pinhole(),
    "brown_conrady": BROWN_CONRADY,
    "kannala_brandt": KANNALA_BRANDT,
    "orthographic": _Orthographic(),
    "equirectangular": _Equirectangular(),
}
