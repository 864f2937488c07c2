"""What training may correct for each photograph: its pose, and its colors by a bilateral grid.

Both modules are the host's. Poses are corrected in units of the dataset, whatever its extent; held-out images are
judged as they are, without corrections.
"""

import torch
from nerfstudio.cameras.camera_optimizers import CameraOptimizer, CameraOptimizerConfig
from nerfstudio.cameras.cameras import Cameras
from torch import Tensor

TOTAL_VARIATION_WEIGHT = 10.0  # of bilateral grids, as splatfacto has it


def image_index(camera: Cameras) -> int | None:
    """Which training image a camera took; None for cameras of people."""
    return None if camera.metadata is None else camera.metadata.get("cam_idx")


class SceneCameraOptimizer(CameraOptimizer):
    """The host's corrections of poses, with positions in shares of the scene's extent: steps fit scenes of any size."""

    def __init__(self, config: CameraOptimizerConfig, num_cameras: int, extent: float) -> None:
        super().__init__(config, num_cameras, device="cpu")
        self.extent = extent

    def forward(self, indices: Tensor) -> Tensor:
        """Corrections [M, 3, 4] of training images [M]: rotations, and moves in units of the dataset."""
        corrections: Tensor = super().forward(indices)
        return torch.cat([corrections[..., :3], self.extent * corrections[..., 3:]], -1)


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
