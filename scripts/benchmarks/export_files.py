"""Files of exports: what writing and reading splats takes, in a process of its own, and coloring a mesh.

The memory of splats is the growth of the process from before they were made to its peak; `bytes_per_splat` divides it
by their number.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import Record, record
from splatkit.export.texture.blending import KEPT
from splatkit.export.texture.settings import TextureSettings
from splatkit.export.texture.texturing import color_mesh
from splatkit.io.meshes import read_mesh
from splatkit.io.splat_formats.sog import read_sog, write_sog
from splatkit.io.splats import SplatArrays, read_splats, write_splats
from splatkit.io.transforms_json import read_transforms
from splatkit.memory import peak_memory_mb
from splatkit.runs.views import RunView
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene

_COUNTS = (1_000, 2_000_000)
_QUICK_COUNTS = (1_000, 20_000)
_DEGREE_TERMS = 15


def measure_export_files(data: Path | None, quick: bool) -> list[Record]:
    """Time, memory and size of splats in both formats, and time of a texture."""
    records = []
    for count in _QUICK_COUNTS if quick else _COUNTS:
        for suffix in (".ply", ".sog"):
            records += _measure_splats(count, suffix)
    return records + _measure_texture(quick)


def _measure_splats(count: int, suffix: str) -> list[Record]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = pool.submit(_write_and_read, count, suffix).result()
    params: dict[str, str | int] = {"splats": count, "format": suffix[1:], "harmonics": 3}
    return [
        record("splats/write", {**params, "clock": "wall"}, "s", [found["write_s"]]),
        record("splats/read", {**params, "clock": "wall"}, "s", [found["read_s"]]),
        record("splats/memory_write", params, "MB", [found["write_mb"]]),
        record("splats/memory_write_and_read", params, "MB", [found["read_mb"]]),
        record("splats/bytes_per_splat", params, "B", [found["write_mb"] * 1e6 / count]),
        record("splats/file", params, "MB", [found["file_mb"]]),
    ]


def _write_and_read(count: int, suffix: str) -> dict[str, float]:
    rng = np.random.default_rng(0)
    before = peak_memory_mb()
    splats = SplatArrays(
        means=rng.normal(size=(count, 3)).astype(np.float32),
        quats=rng.normal(size=(count, 4)).astype(np.float32),
        scales=np.exp(rng.normal(-4, 0.5, (count, 3))).astype(np.float32),
        opacities=rng.uniform(0.1, 0.9, count).astype(np.float32),
        betas=rng.uniform(1.5, 4, count).astype(np.float32),
        sh0=rng.normal(size=(count, 3)).astype(np.float32),
        shN=(0.1 * rng.standard_normal((count, _DEGREE_TERMS, 3), dtype=np.float32)),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"splats{suffix}"
        started = time.perf_counter()
        (write_splats if suffix == ".ply" else write_sog)(path, splats)
        written = time.perf_counter()
        write_mb = peak_memory_mb() - before
        (read_splats if suffix == ".ply" else read_sog)(path)
        return {
            "write_s": written - started,
            "read_s": time.perf_counter() - written,
            "write_mb": write_mb,
            "read_mb": peak_memory_mb() - before,
            "file_mb": path.stat().st_size / 1e6,
        }


def _measure_texture(quick: bool) -> list[Record]:
    """Of the generated scene studio, whose exact mesh is small, so that photographs and texels are what is measured."""
    width, height, views, size = (96, 72, 12, 256) if quick else (480, 360, 24, 2048)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate_scene(read_scene(find_scene("studio")), folder, width, height, views)
        seen = [RunView(frame.image_path, frame.posed, frame.camera) for frame in read_transforms(folder).frames]
        mesh = read_mesh(folder / "truth/mesh.ply")
        wall, cpu = time.perf_counter(), time.process_time()
        found: dict[str, Any] = color_mesh(mesh, seen, TextureSettings(texture_size=size)).record
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    params: dict[str, str | int] = {"faces": len(mesh.faces), "texture": size, "kept": KEPT}
    params |= {"photographs": views, "width": width, "height": height}
    records = [record("texture", {**params, "clock": clock}, "s", [value]) for clock, value in spent.items()]
    return records + [
        record(f"texture/{step}", {**params, "clock": "wall"}, "s", [value]) for step, value in found["seconds"].items()
    ]
