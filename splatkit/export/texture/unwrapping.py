"""Where each triangle of a mesh lies in its texture.

xatlas (https://github.com/jpcy/xatlas) cuts the surface into charts and packs them well, but its time grows with the
square of the faces, and on rough or broken surfaces it can take hours or end the process. So it runs in a process of
its own, within a time and a memory limit, and not for many faces. Then charts are projected, which always takes
seconds, and xatlas only packs them; if that fails too, they lie on shelves, which wastes more texels. Rough surfaces
are evened before charts are found.

Cutting a larger mesh into parts whose charts xatlas finds did not pay: of a walk's mesh of 200 000 faces, parts of 10
000 have 1.7 times as many charts as projecting, seams 3.5 times as long, and half of the area in 16 charts instead of
2, for 4 times the CPU time.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.export.texture.chart_surface import surface_for_charts
from splatkit.export.texture.charts import face_pairs, find_charts, merge_corners, scale_charts
from splatkit.export.texture.projected_charts import project_charts
from splatkit.io.mesh import Mesh

Method = Literal["xatlas", "projected charts, packed by xatlas", "projected charts"]
Places = tuple[NDArray[np.floating], NDArray[np.int64]]  # uvs [T, 2], faces [F, 3]
_PADDING = 2  # texels around each chart
_MOST_FACES = 60_000  # whose charts xatlas is to find: it took 3 s for 20000 of a rough surface, 23 s for 50000
_SHARE = 0.7  # of the time, to find charts; then they are packed twice at most


@dataclass(frozen=True)
class Unwrapping:
    """Places of the corners of each face, in [0, 1]; v counts from the lower edge."""

    uvs: NDArray[np.float32]  # [T, 2]
    faces: NDArray[np.int64]  # [F, 3] indices into uvs
    method: Method
    failures: tuple[str, ...]  # of the methods that were tried before, or why they were not


def unwrap(
    mesh: Mesh, resolutions: NDArray[np.floating], size: int, timeout_s: float, memory_limit_gb: float
) -> Unwrapping:
    """Give every triangle a place of its own in a square texture.

    Args:
        mesh: F triangles.
        resolutions: [F] texels along a unit of length, a few different ones; all are less where they do not fit.
        size: of the texture, texels.
        timeout_s: for all attempts of xatlas together; 0 tries none.
        memory_limit_gb: for xatlas.

    Raises:
        ValueError: the texture is too small for so many triangles.
    """
    failures: list[str] = []
    left_s = timeout_s
    mesh = surface_for_charts(mesh)
    if timeout_s > 0 and len(mesh.faces) <= _MOST_FACES:
        found = _try_xatlas(mesh, None, size, _SHARE * timeout_s, memory_limit_gb)
        left_s = (1 - _SHARE) * timeout_s / 2
        if not isinstance(found, str):
            found = _try_xatlas(mesh, _rescaled(mesh, found, resolutions), size, left_s, memory_limit_gb)
        if not isinstance(found, str):
            return Unwrapping(*found, "xatlas", ())
        failures.append(f"xatlas {found}")
    projected = project_charts(mesh, resolutions, size)
    if timeout_s > 0:
        found = _try_xatlas(mesh, projected, size, left_s, memory_limit_gb)
        if not isinstance(found, str):
            return Unwrapping(*found, "projected charts, packed by xatlas", tuple(failures))
        failures.append(f"packing by xatlas {found}")
    return Unwrapping(*projected, "projected charts", tuple(failures))


def _rescaled(mesh: Mesh, found: Places, resolutions: NDArray[np.floating]) -> Places:
    """Charts of xatlas, cut where the resolution changes and each at its own, to be packed anew: they lie anywhere."""
    uvs, faces = found
    kinds = np.unique(resolutions, return_inverse=True)[1].reshape(-1)
    charts = find_charts(face_pairs(faces), kinds)
    flat = scale_charts(uvs[faces].astype(np.float64), charts, mesh.face_areas(), resolutions)
    places, placed = merge_corners(flat, charts, faces)
    return places / max(float(np.ptp(places, axis=0).max()), 1e-30), placed


def _try_xatlas(mesh: Mesh, charts: Places | None, size: int, timeout_s: float, memory_limit_gb: float) -> Places | str:
    """Find charts, or only pack the given ones: uvs and faces, or why there are none."""
    with tempfile.TemporaryDirectory(prefix="splatkit-unwrap-") as folder:
        request, answer = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        vertices, faces = (mesh.vertices, mesh.faces) if charts is None else (charts[0] * size, charts[1])
        np.savez(request, vertices=vertices.astype(np.float32), faces=faces.astype(np.uint32))
        settings = (str(size), str(_PADDING), str(memory_limit_gb))
        command = [sys.executable, "-m", "splatkit.export.texture.xatlas_process", str(request), str(answer), *settings]
        try:
            done = subprocess.run(command, timeout=timeout_s, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout_s:g} s"
        if done.returncode != 0 or not answer.is_file():
            lines = done.stderr.strip().splitlines()
            return f"failed ({lines[-1] if lines else f'exit code {done.returncode}'})"
        with np.load(answer) as content:
            uvs, placed = content["uvs"], content["faces"].astype(np.int64)
    if placed.shape != mesh.faces.shape or not np.isfinite(uvs).all():
        return f"placed {len(placed)} of {len(mesh.faces)} triangles"
    return uvs, placed
