"""Rotations as quaternions (w, x, y, z) and matrices."""

import torch
from torch import Tensor


def quat_to_rotmat(quats: Tensor) -> Tensor:
    """Rotation matrices of quaternions.

    Args:
        quats: [..., 4] quaternions (w, x, y, z), any non-zero norm.

    Returns:
        [..., 3, 3] rotation matrices.
    """
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
    ]
    return torch.stack(rows, -2)


def rotmat_to_quat(rotmats: Tensor) -> Tensor:
    """Unit quaternions (w, x, y, z), w >= 0, of rotation matrices.

    The quaternion is the dominant eigenvector of Bar-Itzhack's symmetric 4x4 matrix, so it is stable for every
    rotation and gives the nearest rotation where the matrix is not exactly orthogonal.

    Args:
        rotmats: [..., 3, 3] rotation matrices.

    Returns:
        [..., 4] unit quaternions.
    """
    m = rotmats
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    s01, s02, s12 = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 0] + m[..., 0, 2], m[..., 2, 1] + m[..., 1, 2]
    a0, a1, a2 = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    rows = [
        torch.stack([d0 + d1 + d2, a0, a1, a2], -1),
        torch.stack([a0, d0 - d1 - d2, s01, s02], -1),
        torch.stack([a1, s01, d1 - d0 - d2, s12], -1),
        torch.stack([a2, s02, s12, d2 - d0 - d1], -1),
    ]
    quats = torch.linalg.eigh(torch.stack(rows, -2)).eigenvectors[..., -1]
    return torch.where(quats[..., :1] < 0, -quats, quats)


def multiply_quats(left: Tensor, right: Tensor) -> Tensor:
    """Hamilton product: the rotation `left` after the rotation `right`. [..., 4] wxyz each, broadcast."""
    w1, x1, y1, z1 = left.unbind(-1)
    w2, x2, y2, z2 = right.unbind(-1)
    return torch.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        -1,
    )
