"""Rigid transforms. `T_a_b` maps coordinates of frame b into frame a: p_a = T_a_b @ p_b."""

import torch
from torch import Tensor


def invert_rigid(T_a_b: Tensor) -> Tensor:
    """T_b_a of a rigid T_a_b. [..., 4, 4] (or [..., 3, 4]) -> [..., 4, 4]."""
    rotation = T_a_b[..., :3, :3].transpose(-1, -2)
    translation = -(rotation @ T_a_b[..., :3, 3:])
    bottom = T_a_b.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*T_a_b.shape[:-2], 1, 4)
    return torch.cat([torch.cat([rotation, translation], -1), bottom], -2)


def transform_points(T_a_b: Tensor, points_b: Tensor) -> Tensor:
    """Points of frame b in frame a. T_a_b [4, 4], points_b [N, 3] -> [N, 3]."""
    return points_b @ T_a_b[:3, :3].T + T_a_b[:3, 3]


def viewmats_from_opengl(camera_to_worlds: Tensor) -> Tensor:
    """World-to-camera matrices in OpenCV axes from camera-to-world poses in OpenGL axes.

    This is the one place where nerfstudio's camera axes (x right, y up, z backward) become ours
    (x right, y down, z forward).

    Args:
        camera_to_worlds: [..., 3 or 4, 4] OpenGL camera-to-world poses.

    Returns:
        [..., 4, 4] T_camera_world with OpenCV camera axes.
    """
    flip = camera_to_worlds.new_tensor([1.0, -1.0, -1.0, 1.0])
    return invert_rigid(camera_to_worlds[..., :3, :] * flip)


def opengl_from_viewmats(viewmats: Tensor) -> Tensor:
    """The inverse of `viewmats_from_opengl`: [..., 4, 4] -> [..., 4, 4]."""
    flip = viewmats.new_tensor([1.0, -1.0, -1.0, 1.0])
    return invert_rigid(viewmats) * flip
