"""What training may correct for each photograph: its pose, and its colors by a bilateral grid.

Both modules are the host's. Poses are corrected in units of the dataset, whatever its extent; held-out images are
judged as they are, without corrections.
"""

import torch
from nerfstudio.cameras.camera_optimizers import CameraOptimizer
from nerfstudio.cameras.cameras import Cameras
from torch import Tensor

TOTAL_VARIATION_WEIGHT = 10.0  # of bilateral grids, as splatfacto has it


def image_index(camera: Cameras) -> int | None:
    """Which training image a camera took; None for cameras of people."""
    return None if camera.metadata is None else camera.metadata.get("cam_idx")


def corrected_poses(camera: Cameras, optimizer: CameraOptimizer, extent: float) -> Tensor:
    """Camera-to-world pose [1, 3, 4] of a training camera with its correction.

    Args:
        camera: one.
        optimizer: holds the corrections: of the rotation in rad, of the position in shares of the extent.
        extent: of the scene, in units of the dataset.
    """
    poses: Tensor = camera.camera_to_worlds
    index = image_index(camera)
    if optimizer.config.mode == "off" or index is None:
        return poses
    correction = optimizer(torch.tensor([index], device=poses.device))
    rotations, positions = correction[:, :, :3] @ poses[:, :, :3], poses[:, :, 3:] + extent * correction[:, :, 3:]
    return torch.cat([rotations, positions], -1)


def apply_bilateral_grid(grids: torch.nn.Module, rgb: Tensor, index: int) -> Tensor:
    """Colors [H, W, 3] as the photograph of an index has them (Bilateral Guided Radiance Fields, arXiv 2406.00448)."""
    from nerfstudio.model_components.lib_bilagrid import slice as slice_grids

    height, width = rgb.shape[:2]
    y, x = torch.meshgrid(
        torch.linspace(0, 1, height, device=rgb.device), torch.linspace(0, 1, width, device=rgb.device), indexing="ij"
    )
    where = torch.tensor(index, device=rgb.device)
    out: Tensor = slice_grids(grids, torch.stack([x, y], -1)[None], rgb.clamp(0, 1)[None], where)["rgb"]
    return out[0]


def bilateral_grid_variation(grids: torch.nn.Module) -> Tensor:
    """What bilateral grids add to the loss: their total variation keeps them from painting the image."""
    from nerfstudio.model_components.lib_bilagrid import total_variation_loss

    loss: Tensor = TOTAL_VARIATION_WEIGHT * total_variation_loss(grids.grids)
    return loss


def color_corrected(rendered: Tensor, target: Tensor) -> Tensor:
    """The rendering [H, W, 3] with the colors of the target, as far as a quadratic map of all pixels can do that."""
    from nerfstudio.model_components.lib_bilagrid import color_correct

    out: Tensor = color_correct(rendered, target)
    return out
