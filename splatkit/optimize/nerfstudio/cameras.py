"""The border to nerfstudio's cameras: its axes (x right, y up, z backward), its names of lenses, its Tensors of all."""

from collections.abc import Sequence

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from torch import Tensor

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import invert
from splatkit.io.formats.transforms_lenses import distortion_params

_FLIP = (1.0, -1.0, -1.0, 1.0)  # of the columns of a pose


def viewmats_from_opengl(camera_to_worlds: Tensor) -> Tensor:
    """T_camera_world [..., 4, 4] with OpenCV camera axes of OpenGL camera-to-world poses [..., 3 or 4, 4]."""
    return invert(_flipped(camera_to_worlds[..., :3, :]))


def opengl_from_viewmats(viewmats: Tensor) -> Tensor:
    """The inverse of `viewmats_from_opengl`: [..., 4, 4] -> [..., 4, 4]."""
    return _flipped(invert(viewmats))


def _flipped(poses: Tensor) -> Tensor:
    """Poses [..., 4] times _FLIP, without numbers that a GPU would wait for."""
    return torch.cat([poses[..., :1], -poses[..., 1:3], poses[..., 3:]], -1)


def to_nerfstudio(posed: Sequence[PosedCamera]) -> Cameras:
    """Pinholes and fisheyes as nerfstudio has them, in float32."""
    poses = np.stack([camera.T_world_camera[:3] for camera in posed]) * np.array(_FLIP)
    lenses = [camera.camera for camera in posed]
    fisheye = [lens.model == "kannala_brandt" for lens in lenses]
    kinds = [(CameraType.FISHEYE if is_fisheye else CameraType.PERSPECTIVE).value for is_fisheye in fisheye]
    fx, fy, cx, cy = torch.tensor([[lens.fx, lens.fy, lens.cx, lens.cy] for lens in lenses]).unbind(1)
    return Cameras(
        camera_to_worlds=torch.from_numpy(poses).float(),
        fx=fx.clone(),
        fy=fy.clone(),
        cx=cx.clone(),
        cy=cy.clone(),
        width=torch.tensor([lens.width for lens in lenses]),
        height=torch.tensor([lens.height for lens in lenses]),
        distortion_params=torch.tensor([distortion_params(lens) for lens in lenses]) if any(fisheye) else None,
        camera_type=torch.tensor(kinds),
        metadata={},  # `ns-export cameras` writes into it
    )


def lens_from_nerfstudio(cameras: Cameras, index: int = 0, with_distortion: bool = True) -> Camera:
    """The lens of one of nerfstudio's cameras.

    Kinds that splatkit has no name for, as panoramas, are taken for pinholes of their focal lengths.

    Args:
        cameras: [N].
        index: which.
        with_distortion: False: a perspective camera is a pinhole whatever it states, because the image is rectified.
    """
    one = [getattr(cameras, name)[index] for name in ("fx", "fy", "cx", "cy", "width", "height", "camera_type")]
    stated = cameras.distortion_params
    distortion = one[0].new_zeros(6) if stated is None else stated[index]
    values = torch.cat([*(value.reshape(1).double() for value in one), distortion.double()]).cpu().tolist()  # one wait
    fx, fy, cx, cy, width, height, kind, k1, k2, k3, k4, p1, p2 = values
    if int(kind) == CameraType.FISHEYE.value:
        return Camera("kannala_brandt", int(width), int(height), fx, fy, cx, cy, (k1, k2, k3, k4))
    if with_distortion and int(kind) == CameraType.PERSPECTIVE.value and any((k1, k2, k3, p1, p2)):
        return Camera("brown_conrady", int(width), int(height), fx, fy, cx, cy, (k1, k2, p1, p2, k3))
    return Camera("pinhole", int(width), int(height), fx, fy, cx, cy)


def pose_from_nerfstudio(camera_to_world: Tensor) -> np.ndarray:
    """T_world_camera [4, 4] float64 with OpenCV axes of an OpenGL pose [3 or 4, 4]."""
    out = np.eye(4)
    out[:3] = camera_to_world[:3].double().cpu().numpy() * np.array(_FLIP)
    return out
