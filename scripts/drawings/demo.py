"""The pictures of README and docs from a finished demo: `scripts/pictures.py demo --demo demo --out docs/pictures`."""

from pathlib import Path

import numpy as np
import torch

from splatkit.io.images import to_uint8, write_image
from splatkit.io.meshes import read_mesh
from splatkit.optimize.load_ges import load_ges_run
from splatkit.report.plots import colorize_depth
from splatkit.report.turntable import Turntable
from splatkit.runs.trained_run import read_target

_VIEW = 0  # of the held-out ones
_SIDES_DEG = (60.0, 140.0, 290.0)


def main(demo: Path, out: Path) -> None:
    """Write overview.jpg: a held-out photograph, its rendering, the rendered depth, and the mesh from three sides.

    Args:
        demo: folder of a finished demo.
        out: folder of the pictures.
    """
    run = load_ges_run(demo / "optimize/field/ges/run/config.yml")
    view = run.eval_views[_VIEW]
    rendering = run.render(view.posed)
    depths = torch.where(rendering.alphas[0] > 0.5, rendering.depths[0], 0.0)[..., 0].numpy()
    near, far = np.quantile(depths[depths > 0], [0.01, 0.99])
    photograph, rendered = read_target(view.image_path), rendering.colors[0].clamp(0, 1)
    views = [to_uint8(photograph.numpy()), to_uint8(rendered.numpy()), colorize_depth(depths, near, far)]
    mesh = read_mesh(demo / "export/mesh/mesh.ply")
    turntable = Turntable(mesh, (view.rendered.width, view.rendered.height))
    sides = [turntable.picture(azimuth) for azimuth in _SIDES_DEG]
    out.mkdir(parents=True, exist_ok=True)
    write_image(out / "overview.jpg", np.concatenate([np.concatenate(views, 1), np.concatenate(sides, 1)], 0))
