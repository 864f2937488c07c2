"""Where points appear in the image, and the Jacobian of that map: orthographic and fisheye cameras.

Source of the fisheye: Kannala and Brandt (PAMI 2006), with the four coefficients that OpenCV uses.
"""

import torch
from torch import Tensor


def orthographic_image(points: Tensor, Ks: Tensor) -> tuple[Tensor, Tensor]:
    """Image of points by parallel rays; focal lengths are px per world unit.

    Args:
        points: [C, N, 3] camera coordinates.
        Ks: [C, 3, 3].

    Returns:
        means2d [C, N, 2] px and Jacobians [C, N, 2, 3].
    """
    means2d = points[..., :2] * _focal(Ks) + Ks[:, None, :2, 2]
    jacobians = torch.cat([torch.diag_embed(_focal(Ks)), torch.zeros_like(Ks[:, None, :2, :1])], -1)
    return means2d, jacobians.expand(*points.shape[:2], 2, 3)


def fisheye_image(points: Tensor, Ks: Tensor, distortions: Tensor) -> tuple[Tensor, Tensor]:
    """Image of points by a fisheye lens; Jacobians by automatic differentiation.

    Args:
        points: [C, N, 3] camera coordinates, z > 0, off the optical axis.
        Ks: [C, 3, 3].
        distortions: [C, 4] k1 to k4.

    Returns:
        means2d [C, N, 2] px and Jacobians [C, N, 2, 3].
    """

    def unscaled(point: Tensor, k: Tensor) -> Tensor:
        radius = point[:2].norm()
        theta = torch.atan2(radius, point[2])
        powers = torch.stack([theta ** (2 * i) for i in range(1, 5)])
        return point[:2] / radius * theta * (1 + (k * powers).sum())

    flat, k = points.flatten(0, 1), distortions[:, None].expand(*points.shape[:2], 4).flatten(0, 1)
    shape = points.shape[:2]
    image = torch.func.vmap(unscaled)(flat, k).reshape(*shape, 2)
    jacobians = torch.func.vmap(torch.func.jacfwd(unscaled))(flat, k).reshape(*shape, 2, 3)
    return image * _focal(Ks) + Ks[:, None, :2, 2], jacobians * _focal(Ks)[..., None]


def _focal(Ks: Tensor) -> Tensor:
    return torch.stack([Ks[:, 0, 0], Ks[:, 1, 1]], -1)[:, None]  # [C, 1, 2]
