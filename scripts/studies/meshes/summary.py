"""Table and pictures of the study of meshes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from splatkit.io.atomic import atomic_file
from splatkit.io.images import write_image
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh
from splatkit.report.mesh_views import render_mesh_views
from studies.meshes.cases import ARMS, MeshCase, Scores
from studies.meshes.datasets import Datasets, Subject
from studies.store import group_by, mean_and_spread

_COLUMNS = {
    "chamfer": "Chamfer, voxels",
    "f_0.5": "F at 0.5 voxels",
    "f_1": "at 1",
    "f_2": "at 2",
    "to_truth_mean": "normals to truth, deg",
    "to_truth_median": "median",
    "from_truth_mean": "from truth, deg",
    "from_truth_median": "median",
    "complete": "complete",
    "astray": "astray",
    "psnr": "PSNR, dB",
    "steps": "steps",
    "stereo_cpu_s": "CPU-s of stereo",
    "training_cpu_s": "training",
    "mesh_cpu_s": "mesh",
    "cpu_s": "all",
    "mesh_memory_gb": "memory for the mesh, GB",
}
_VIEWS = 4
_SHOWN = 0.4  # of what is judged of a scene with scenery


def write_mesh_summary(out: Path, results: list[tuple[MeshCase, Scores]], subjects: Mapping[str, Subject]) -> None:
    """Write summary.md into `out`."""
    text = [
        "# What stereo and training are worth for meshes",
        "",
        "Mean and spread over the seeds. Complete: share of what two cameras see that has mesh within two voxels.",
        "Astray: share of the mesh's area farther from the truth than 1 % of the truth's diagonal.",
        "",
        "| scene | mesh | " + " | ".join(_COLUMNS.values()) + " |",
        "|---" * (len(_COLUMNS) + 2) + "|",
    ]
    for (subject, arm), rows in group_by(results, lambda case: (case.subject, case.arm)).items():
        cells = [_cell([result[name] for _, result in rows if name in result]) for name in _COLUMNS]
        text.append(f"| {subject} | {ARMS[arm]} | " + " | ".join(cells) + " |")
    voxels = {case.subject: subjects[case.subject].voxel for case, _ in results}
    text += ["", "Voxels: " + ", ".join(f"{subject} {1000 * size:.0f} mm" for subject, size in voxels.items()) + "."]
    with atomic_file(out / "summary.md") as temporary:
        temporary.write_text("\n".join(text) + "\n", encoding="utf-8")


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    mean, spread = mean_and_spread(values)
    return f"{mean:.4g}" + (f" ± {spread:.2g}" if len(values) > 1 else "")


def write_mesh_pictures(
    out: Path, cases: Sequence[MeshCase], subjects: Mapping[str, Subject], data: Mapping[str, Datasets]
) -> None:
    """For each subject one picture, all seen alike: the truth, then each arm's first mesh if any, from four sides."""
    for name, rows in group_by([(case, {}) for case in cases if case.seed == 0], lambda case: case.subject).items():
        truth = read_mesh(data[name].truth)
        shown = [truth, *(read_mesh(out / f"meshes/{case.name}.ply") for case, _ in rows)]
        frame = _framed(truth, subjects[name])
        pictures = [
            np.concatenate(render_mesh_views(mesh, None, _VIEWS, frame=frame), 1) for mesh in shown if len(mesh.faces)
        ]
        write_image(out / f"{name}.jpg", np.concatenate(pictures, 0))


def _framed(truth: Mesh, subject: Subject) -> Mesh:
    """The truth, or the middle of one with scenery."""
    if subject.farthest is None:
        return truth
    near = np.linalg.norm(truth.vertices[truth.faces].mean(1), axis=1) < _SHOWN * subject.farthest
    return Mesh(truth.vertices, truth.faces[near])
