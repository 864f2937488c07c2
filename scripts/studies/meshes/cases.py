"""One case of the study of meshes: train, if the arm does, make the mesh, judge it by the exact surface."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from quiet import train_quietly
from splatkit.errors import EmptyMeshError
from splatkit.export.surface.make_surface import make_surface
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.io.atomic import atomic_file
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh, write_mesh
from splatkit.io.splits import split_frames
from splatkit.io.transforms_json import read_transforms
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.train import make_config
from splatkit.runs.trained_run import TrainedRun, evaluate, mean_scores
from splatkit.splatting.densification import DensificationSettings
from studies.meshes.datasets import Datasets, Subject
from studies.meshes.memory import peak_memory_gb, reset_peak_memory
from studies.meshes.scoring import score_mesh

ARMS = {  # in the order in which they are measured: how long `longer` trains follows from the others
    "plain": "without stereo",
    "both": "with stereo",
    "depth": "with stereo, photographs not compared",
    "longer": "without stereo, as many CPU-s",
    "measured": "stereo alone, no training",
}
_SURFACES = {"plain": "rendered", "longer": "rendered", "both": "both", "depth": "both", "measured": "measured"}
Scores = dict[str, float]


@dataclass(frozen=True)
class MeshCase:
    """One cell of the study."""

    subject: str
    arm: str  # one of ARMS
    steps: int  # of the arms that do not train longer
    max_splats: int
    faces: int  # at most, of the mesh
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.subject}-{self.arm}-{self.steps}-{self.max_splats}-{self.faces}-{self.seed}"


def measure_case(case: MeshCase, subject: Subject, data: Datasets, steps: int, out: Path) -> Scores:
    """Scores of an arm that trains `steps` steps, if it trains; its mesh goes to out/meshes, its run to out/runs."""
    with_stereo = case.arm in ("both", "depth", "measured")
    scores = {"stereo_cpu_s": data.stereo_cpu_s if with_stereo else 0.0}
    if case.arm == "measured":
        run = _dataset_run(data.stereo)
    else:
        run, trained = _train(case, data.stereo if with_stereo else data.plain, steps, out / "runs")
        scores |= trained
    reset_peak_memory()
    start = time.process_time()
    mesh = _mesh(run, _settings(case))
    scores |= {"mesh_cpu_s": time.process_time() - start, "mesh_memory_gb": peak_memory_gb()}
    write_mesh(out / f"meshes/{case.name}.ply", mesh)
    scores["cpu_s"] = sum(scores.get(f"{part}_cpu_s", 0.0) for part in ("stereo", "training", "mesh"))
    cameras = [frame.posed for frame in split_frames(read_transforms(data.plain))["train"]]
    return scores | score_mesh(mesh, read_mesh(data.truth), cameras, subject.voxel, subject.farthest)


def equal_steps(plain: Scores, both: Scores) -> int:
    """Steps after which training without stereo took as many CPU-s as all that is done with it."""
    per_step = plain["training_cpu_s"] / plain["steps"]
    return max(1, round((both["cpu_s"] - plain["mesh_cpu_s"]) / per_step))


def _train(case: MeshCase, dataset: Path, steps: int, runs: Path) -> tuple[TrainedRun, Scores]:
    """The run, trained now unless it has been, and what training it took and brought."""
    name = replace(case, arm="both").name if case.arm == "depth" else case.name  # meshes of one run
    config = make_config(dataset, runs, name, steps, case.seed)
    config.pipeline.model.densification = DensificationSettings(max_splats=case.max_splats)
    record = runs / f"{name}.json"
    if not record.is_file():
        trained = train_quietly(config)
        done = {"config": str(trained.config_path), "cpu_s": trained.cpu_s, "steps": steps}
        with atomic_file(record) as temporary:
            temporary.write_text(json.dumps(done) + "\n")
    done = json.loads(record.read_text())
    run = load_ges_run(Path(done["config"]))
    psnr, _ = mean_scores(evaluate(run))
    return run, {"training_cpu_s": done["cpu_s"], "steps": done["steps"], "splats": len(run.splats), "psnr": psnr}


def _dataset_run(dataset: Path) -> Any:
    """A run for `make_surface` without training."""
    from splatkit.runs.dataset_run import load_dataset_run

    return load_dataset_run(dataset)


def _settings(case: MeshCase) -> SurfaceSettings:
    settings: dict[str, Any] = {"max_faces": case.faces}
    if "surface" in SurfaceSettings.__dataclass_fields__:
        settings["surface"] = _SURFACES[case.arm]
    if case.arm == "depth":
        settings["photo_max_pixels"] = 0
    return SurfaceSettings(**settings)


def _mesh(run: Any, settings: SurfaceSettings) -> Mesh:
    try:
        return make_surface(run, settings).mesh
    except EmptyMeshError:
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
