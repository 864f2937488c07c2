"""A mesh or splats of any program as a page to turn with the mouse."""

from pathlib import Path

import numpy as np

from splatkit.errors import DatasetError
from splatkit.io.meshes import read_mesh
from splatkit.io.splat_formats.formats import holds_splats, read_splat_file
from splatkit.io.splats import SH0, SplatArrays
from splatkit.report.turnable import turnable_glb, turnable_mesh, turnable_points

_LEAST_OPACITY = 0.1  # of splats that are shown


def view_page(path: Path) -> str:
    """The page of a .ply, .glb, .obj or .stl mesh, or of splats in any file, whose centers are shown as points.

    A .glb is shown as it is, with its texture; other meshes have the colors of their vertices, and are decimated where
    they are large.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or empty.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if holds_splats(path):
        return _splats_page(path, read_splat_file(path))
    mesh = read_mesh(path)
    if path.suffix.lower() == ".glb":
        try:
            return turnable_glb(path.read_bytes(), mesh.vertices[np.unique(mesh.faces)])
        except (KeyError, IndexError, ValueError) as error:
            raise DatasetError(f"{path}: not a readable .glb ({error!r})") from error
    return turnable_mesh(mesh)


def _splats_page(path: Path, splats: SplatArrays) -> str:
    shown = splats.opacities >= _LEAST_OPACITY
    if not shown.any():
        raise DatasetError(f"{path}: none of {len(shown)} splats has an opacity of at least {_LEAST_OPACITY:g}")
    colors = np.clip(0.5 + SH0 * splats.sh0[shown], 0, 1)
    return turnable_points(splats.means[shown], (255 * colors).round().astype(np.uint8))
