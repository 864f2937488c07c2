"""Every kernel once on a small scene: what compute-sanitizer watches. `small_case.py [--device cpu]`."""

import argparse

import torch

from gpu_checks import photo_consistency, stereo
from gpu_checks.scenes import camera, seeded_splats, with_gradients
from splatkit.splatting.losses import photometric_loss
from splatkit.splatting.rendering import render_splats


def main() -> None:
    """Render 2 000 splats at 67 x 45 px, forward and backward; match a wall of that size; compare photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    device = parser.parse_args().device
    leaves = with_gradients(seeded_splats(2000, device))
    viewmats, Ks = (x.requires_grad_() for x in camera(67, 45, device))
    rendering = render_splats(*leaves, viewmats, Ks, 67, 45, sh_degree=3)
    loss = photometric_loss(rendering.colors[0], torch.full_like(rendering.colors[0], 0.5))
    (loss + rendering.depths.mean()).backward()
    for name, value in (*leaves._asdict().items(), ("viewmats", viewmats), ("Ks", Ks)):
        if value.grad is None or not torch.isfinite(value.grad).all():
            raise SystemExit(f"{name}: no finite gradient")
    stereo.run_all(67, 45, device)
    photo_consistency.run_all(500, 40, device)


if __name__ == "__main__":
    main()
