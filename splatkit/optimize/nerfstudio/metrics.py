"""Image metrics of an evaluation: PSNR and SSIM always, LPIPS where its weights are already on this machine.

Stock methods download LPIPS weights while the model is built, so that nothing works offline. Here they are looked for
when an image is evaluated, and never downloaded.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from splatkit.evaluation.image import psnr, ssim
from splatkit.ops import has_kernels
from splatkit.optimize.nerfstudio.console import tell

_LPIPS_WEIGHTS = "alexnet-owt-7be5be79.pth"  # torchvision's AlexNet, which torchmetrics asks for


def image_metrics(rendered: Tensor, target: Tensor) -> dict[str, float]:
    """PSNR (dB), SSIM ("valid" windows) and perhaps LPIPS of two images [H, W, 3] in [0, 1]."""
    if not has_kernels(rendered.device):
        rendered, target = rendered.cpu(), target.cpu()
    out = {"psnr": float(psnr(rendered, target)), "ssim": float(ssim(rendered, target))}
    lpips = _lpips()
    if lpips is not None:
        out["lpips"] = lpips(rendered, target)
    return out


@functools.cache
def _lpips() -> Callable[[Tensor, Tensor], float] | None:
    if not (Path(torch.hub.get_dir()) / "checkpoints" / _LPIPS_WEIGHTS).is_file():
        tell(f"LPIPS is left out: its weights ({_LPIPS_WEIGHTS}) are not in {torch.hub.get_dir()}/checkpoints.")
        return None
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity(normalize=True)

    def measure(rendered: Tensor, target: Tensor) -> float:
        pair = [image.cpu().clamp(0, 1).permute(2, 0, 1)[None] for image in (rendered, target)]
        return float(network(*pair))

    return measure
