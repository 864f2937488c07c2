"""The pinhole camera behind a full image of rays.

`ns-export tsdf` hands models rays, and a splatting model needs the camera. A ray's direction times `directions_norm`
is affine in the pixel position, so the camera follows from three corners.
"""

import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.cameras.rays import RayBundle


def camera_from_bundle(bundle: RayBundle) -> Cameras:
    """Camera of a bundle [H, W] (both at least 2) of undistorted rays through all pixel centers of a pinhole image."""
    if (
        bundle.origins.ndim != 3
        or min(bundle.origins.shape[:2]) < 2
        or not torch.equal(bundle.origins, bundle.origins[:1, :1].expand_as(bundle.origins))
    ):
        raise ValueError(
            "a splatting model renders whole images of one camera, not single rays; for ns-export tsdf pass "
            "--texture-method tsdf, and for other meshes use splatkit's own export"
        )
    rays = (bundle.directions * bundle.metadata["directions_norm"]).double()
    height, width = rays.shape[:2]
    corner = rays[0, 0]
    along_x = (rays[0, -1] - corner) / (width - 1)
    along_y = (corner - rays[-1, 0]) / (height - 1)  # the camera's y axis points up
    fx, fy = 1 / along_x.norm(), 1 / along_y.norm()
    x, y = along_x * fx, along_y * fy
    rotation = torch.stack([x, y, torch.linalg.cross(x, y)], 1)
    local = rotation.T @ corner  # the ray of the first pixel center, in camera axes with z backward
    pose = torch.cat([rotation, bundle.origins[0, 0, :, None].double()], 1)
    return Cameras(
        camera_to_worlds=pose[None].float(),
        fx=float(fx),
        fy=float(fy),
        cx=float(0.5 + local[0] / local[2] * fx),
        cy=float(0.5 - local[1] / local[2] * fy),
        width=width,
        height=height,
        camera_type=CameraType.PERSPECTIVE,
    )
