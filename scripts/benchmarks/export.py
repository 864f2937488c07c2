"""Steps from a trained run to a mesh: CPU-seconds of each, and the most memory so far after it."""

import tempfile
from pathlib import Path

import torch

from benchmarks.record import Record, record
from quiet import train_quietly
from splatkit.export.surface.make_surface import make_surface
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.train import make_config
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene

_SCENE = "studio"
_MAX_FACES = 100_000


def measure_export(data: Path | None, quick: bool) -> list[Record]:
    """A run of the generated studio, fused alone, refined by depth, and by photographs too, on one thread.

    Quick: small, hardly trained.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    width, height, views, steps, repeats = (96, 72, 8, 60, 1) if quick else (320, 240, 48, 1500, 3)
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / _SCENE
        generate_scene(read_scene(find_scene(_SCENE)), scene, width, height, views, 0)
        config = train_quietly(make_config(scene, Path(folder) / "runs", _SCENE, steps)).config_path
        run = load_ges_run(config)
        default = SurfaceSettings()
        for rounds, pixels in ((0, 0), (default.refinement_rounds, 0), (default.refinement_rounds, width * height)):
            settings = SurfaceSettings(refinement_rounds=rounds, photo_max_pixels=pixels, max_faces=_MAX_FACES)
            surfaces = [make_surface(run, settings) for _ in range(repeats)]
            params: dict[str, str | int] = {"rounds": rounds, "photographs": views if pixels else 0}
            params |= {"views": f"{width}x{height}", "threads": 1}
            records += _step_records([surface.record["steps"] for surface in surfaces], params)
    torch.set_num_threads(before)
    return records


def _step_records(repeats: list[list[dict[str, float | str]]], params: dict[str, str | int]) -> list[Record]:
    records = []
    for steps in zip(*repeats, strict=True):
        of_step = {"step": str(steps[0]["step"]), **params}
        records.append(record("surface_step", of_step, "CPU-s", [float(step["cpu_s"]) for step in steps]))
        records.append(record("surface_peak_memory", of_step, "GB", [float(step["peak_memory_gb"]) for step in steps]))
    return records
