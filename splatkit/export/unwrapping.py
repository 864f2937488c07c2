"""Where each triangle of a mesh lies in its texture.

xatlas (https://github.com/jpcy/xatlas) cuts the surface into charts and packs them. On rough or broken surfaces it can
take hours or end the process, so that it runs in a process of its own, within a time and a memory limit: first as it
is, then with charts that may bend more, which are fewer. What always ends are projected charts, which waste more
texels; meshes of very many faces get them at once.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.export.projected_charts import project_charts
from splatkit.io.meshes import Mesh

Method = Literal["xatlas", "xatlas with coarse charts", "projected charts"]
_PADDING = 2  # texels around each chart
# max_cost, where 0 is xatlas' own (2), and share of the time
_ATTEMPTS: dict[Method, tuple[float, float]] = {"xatlas": (0.0, 0.7), "xatlas with coarse charts": (8.0, 0.3)}
_MOST_FACES = 250_000  # for xatlas: it took 60 s for them where they were smooth, and did not end where they were rough


@dataclass(frozen=True)
class Unwrapping:
    """Places of the corners of each face, in [0, 1]; v counts from the lower edge."""

    uvs: NDArray[np.float32]  # [T, 2]
    faces: NDArray[np.int64]  # [F, 3] indices into uvs
    method: Method
    failures: tuple[str, ...]  # of the methods that were tried before, or why they were not


def unwrap(mesh: Mesh, size: int, timeout_s: float, memory_limit_gb: float) -> Unwrapping:
    """Give every triangle a place of its own in a square texture.

    Args:
        mesh: F triangles.
        size: of the texture, texels.
        timeout_s: for both attempts of xatlas together; 0 tries none.
        memory_limit_gb: for xatlas.

    Raises:
        ValueError: the texture is too small for so many triangles.
    """
    failures: list[str] = []
    if len(mesh.faces) > _MOST_FACES:
        failures.append(f"xatlas was not tried: {len(mesh.faces)} faces are too many for it; decimate the mesh")
    elif timeout_s > 0:
        for method, (max_cost, share) in _ATTEMPTS.items():
            found = _try_xatlas(mesh, size, max_cost, share * timeout_s, memory_limit_gb)
            if not isinstance(found, str):
                return Unwrapping(*found, method, tuple(failures))
            failures.append(f"{method} {found}")
    return Unwrapping(*project_charts(mesh, size), "projected charts", tuple(failures))


def _try_xatlas(
    mesh: Mesh, size: int, max_cost: float, timeout_s: float, memory_limit_gb: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]] | str:
    """uvs and faces, or why there are none."""
    with tempfile.TemporaryDirectory(prefix="splatkit-unwrap-") as folder:
        request, answer = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        np.savez(request, vertices=mesh.vertices.astype(np.float32), faces=mesh.faces.astype(np.uint32))
        settings = (str(size), str(_PADDING), str(max_cost), str(memory_limit_gb))
        command = [sys.executable, "-m", "splatkit.export.xatlas_process", str(request), str(answer), *settings]
        try:
            done = subprocess.run(command, timeout=timeout_s, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout_s:g} s"
        if done.returncode != 0 or not answer.is_file():
            lines = done.stderr.strip().splitlines()
            return f"failed ({lines[-1] if lines else f'exit code {done.returncode}'})"
        with np.load(answer) as content:
            uvs, faces = content["uvs"], content["faces"].astype(np.int64)
    if faces.shape != mesh.faces.shape or not np.isfinite(uvs).all():
        return f"placed {len(faces)} of {len(mesh.faces)} triangles"
    return uvs, faces
