"""The pictures of the README from a finished demo: `scripts/make_pictures.py --demo demo --out scenes/pictures`."""

from pathlib import Path

import numpy as np
import torch
import tyro

from splatkit.io.images import to_uint8, write_image
from splatkit.io.meshes import read_mesh
from splatkit.optimize.load_run import load_run, read_target, render_view
from splatkit.report.plots import colorize_depth
from splatkit.report.turntable import Turntable

_VIEW = 0  # of the held-out ones
_SIDES_DEG = (60.0, 140.0, 290.0)


def main(demo: Path, out: Path) -> None:
    """Write overview.jpg: a held-out photograph, its rendering, the rendered depth, and the mesh from three sides.

    Args:
        demo: folder of a finished demo.
        out: folder of the pictures.
    """
    run = load_run(demo / "optimize/field/ges/run/config.yml")
    cameras = run.eval_cameras
    width, height = cameras.sizes[_VIEW].tolist()
    rendering = run.render(cameras.viewmats[_VIEW], cameras.Ks[_VIEW], width, height)
    depths = torch.where(rendering.alphas[0] > 0.5, rendering.depths[0], 0.0)[..., 0].numpy()
    near, far = np.quantile(depths[depths > 0], [0.01, 0.99])
    photograph = to_uint8(read_target(cameras.image_paths[_VIEW]).numpy())
    views = [photograph, to_uint8(render_view(run, cameras, _VIEW).numpy()), colorize_depth(depths, near, far)]
    mesh = read_mesh(demo / "export/mesh/mesh.ply")
    turntable = Turntable(mesh, (width, height))
    sides = [turntable.picture(azimuth) for azimuth in _SIDES_DEG]
    out.mkdir(parents=True, exist_ok=True)
    write_image(out / "overview.jpg", np.concatenate([np.concatenate(views, 1), np.concatenate(sides, 1)], 0))


if __name__ == "__main__":
    tyro.cli(main)
