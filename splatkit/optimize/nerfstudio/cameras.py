"""The border between nerfstudio's camera axes (x right, y up, z backward) and ours (x right, y down, z forward)."""

from torch import Tensor

from splatkit.geometry.se3 import invert


def viewmats_from_opengl(camera_to_worlds: Tensor) -> Tensor:
    """T_camera_world [..., 4, 4] with OpenCV camera axes of OpenGL camera-to-world poses [..., 3 or 4, 4]."""
    flip = camera_to_worlds.new_tensor([1.0, -1.0, -1.0, 1.0])
    return invert(camera_to_worlds[..., :3, :] * flip)


def opengl_from_viewmats(viewmats: Tensor) -> Tensor:
    """The inverse of `viewmats_from_opengl`: [..., 4, 4] -> [..., 4, 4]."""
    flip = viewmats.new_tensor([1.0, -1.0, -1.0, 1.0])
    return invert(viewmats) * flip
