"""What is a recording worth without a trajectory? `scripts/study.py recordings --out DIR [--seed N] [--quick]`.

The courtyard's walk is written as the recording of a handheld scanner (Livox messages, JPEG, tf), and `splatkit run`
goes from there to a textured mesh twice: with the path from the scans alone, and with the true one. Photographs get
their poses from the path and the extrinsics, so that both differ in the path alone. Everything is judged by the exact
truth. Each step is done once: interrupt the study and start it again as you like.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.cli import main as splatkit
from splatkit.evaluation.geometry import compare_surfaces, visible_sample
from splatkit.geometry.se3 import compose, invert, transform_points
from splatkit.io.formats.trajectories import Trajectory, read_trajectory, write_trajectory
from splatkit.io.json_files import write_json
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh
from splatkit.io.transforms_json import read_transforms
from studies.recordings.write import EPOCH_S, write_recording

_TAU_M = 0.05
_FARTHEST_M = 15.0  # from the middle of the walk: hills farther away are scenery
_NAMES = {"scans": "from the scans alone", "true": "the true one"}
_TOML = """out = "{out}"

[capture.recording]
recording = "{recording}"

[capture.lidar]
stereo = "{stereo}"
{trajectory}
[export.mesh]
"""


def main(out: Path, seed: int = 0, quick: bool = False) -> None:
    """Make what is missing, then write a table.

    Args:
        out: folder of everything; an interrupted study in it resumes.
        seed: of the walk.
        quick: the smallest walk that has a path; only shows that the study works.
    """
    walk = out / "walk"
    sizes = ["--views", "24", "--scans", "283", "--width", "160", "--height", "120"] if quick else ["--scans", "281"]
    if not walk.is_dir() and (
        code := splatkit(["scene", "courtyard", "--out", str(walk), "--seed", str(seed), *sizes])
    ):
        sys.exit(code)
    recording = next((out / "recording").glob("*.mcap"), None) or write_recording(walk, out / "recording")
    true = read_trajectory(walk / "truth/trajectory.txt")
    write_trajectory(out / "true.txt", Trajectory(true.times + EPOCH_S, true.poses))
    figures = {}
    for name in _NAMES:
        trajectory = 'trajectory = "true.txt"\n' if name == "true" else ""
        stereo = "low" if quick else "medium"
        text = _TOML.format(out=name, recording=recording.relative_to(out), trajectory=trajectory, stereo=stereo)
        (out / f"{name}.toml").write_text(text, encoding="utf-8")
        if code := splatkit(["run", str(out / f"{name}.toml")]):
            sys.exit(code)
        figures[name] = _figures(walk, out / name, true)
    write_json(out / "figures.json", figures)
    _write_summary(out, figures)
    print(out / "summary.md")


def _figures(walk: Path, run: Path, true: Trajectory) -> dict[str, float]:
    """What came of a run, against the truth."""
    dataset = run / "capture/lidar"
    record = json.loads((dataset / "capture.json").read_text())["figures"]
    found, T_true_world = dict[str, float](), np.eye(4)
    if (dataset / "trajectory.txt").is_file():
        path = read_trajectory(dataset / "trajectory.txt")
        T_true_world, errors = _fitted(path, true)
        found |= errors | {"estimated_drift_m": record["odometry"]["drift_m"]}
    return found | _camera_errors(walk, dataset, T_true_world) | _mesh_errors(walk, run, T_true_world)


def _fitted(path: Trajectory, true: Trajectory) -> tuple[NDArray[np.float64], dict[str, float]]:
    """T_true_world [4, 4] that fits a path to the true one, and what is left; the drift is that of its end."""
    times = path.times - EPOCH_S
    there = true.at(times)
    a, b = path.poses[:, :3, 3], there[:, :3, 3]
    turn = Rotation.align_vectors(b - b.mean(0), a - a.mean(0))[0].as_matrix()
    T = compose(turn, b.mean(0) - turn @ a.mean(0))
    apart = transform_points(T, a) - b
    way = float(np.linalg.norm(np.diff(b, axis=0), axis=1).sum())
    ends = [invert(poses[0]) @ poses[-1] for poses in (path.poses, there)]
    end = float(np.linalg.norm(ends[0][:3, 3] - ends[1][:3, 3]))
    return T, {
        "way_m": way,
        "path_rms_m": float(np.sqrt((apart**2).sum(1).mean())),
        "drift_m": end,
        "drift_percent": 100 * end / way,
    }


def _camera_errors(walk: Path, dataset: Path, T_true_world: NDArray[np.float64]) -> dict[str, float]:
    """How far cameras are from the truth, median and worst; and the scale."""
    entries = json.loads((walk / "truth/cameras.json").read_text())["images"]
    errors, positions, truths = [], [], []
    for frame in read_transforms(dataset).frames:
        camera, time = frame.image_path.parent.name, float(frame.image_path.stem) - EPOCH_S
        mine = [entry for entry in entries if entry["name"].startswith(camera)]
        entry = min(mine, key=lambda entry: abs(entry["time_s"] - time))
        found = T_true_world @ frame.T_world_camera
        true = np.array(entry["T_world_camera"])
        errors.append(np.linalg.norm(found[:3, 3] - true[:3, 3]))
        positions.append(found[:3, 3])
        truths.append(true[:3, 3])
    spread = [np.std(np.array(points), axis=0) for points in (positions, truths)]
    return {
        "cameras": len(errors),
        "camera_median_m": float(np.median(errors)),
        "camera_worst_m": float(np.max(errors)),
        "scale_percent": float(100 * (np.linalg.norm(spread[0]) / np.linalg.norm(spread[1]) - 1)),
    }


def _mesh_errors(walk: Path, run: Path, T_true_world: NDArray[np.float64]) -> dict[str, float]:
    """The mesh against what the walk's cameras see of the truth."""
    truth = read_mesh(walk / "truth/mesh.ply")
    made = read_mesh(next((run / "export/mesh").glob("mesh.glb")))
    cameras = [frame.posed for frame in read_transforms(walk).frames]
    middle = np.mean([camera.center for camera in cameras], axis=0)
    vertices = transform_points(T_true_world, made.vertices.astype(np.float64))
    near = np.linalg.norm(vertices[made.faces].mean(1) - middle, axis=1) < _FARTHEST_M
    seen = visible_sample(truth, cameras, min_views=2)
    seen = seen[(seen - torch.from_numpy(middle)).norm(dim=1) < _FARTHEST_M]
    found = compare_surfaces(Mesh(vertices, made.faces[near]), truth, _TAU_M, truth_points=seen)
    return {"f_score": found.f_score, "accuracy_median_m": found.accuracy_median}


def _write_summary(out: Path, figures: dict[str, dict[str, float]]) -> None:
    names = sorted({name for found in figures.values() for name in found})
    text = [
        "# A recording with and without a trajectory",
        "",
        "| | " + " | ".join(_NAMES.values()) + " |",
        "|---|---|---|",
    ]
    for name in names:
        cells = [f"{figures[kind][name]:.4g}" if name in figures[kind] else "" for kind in _NAMES]
        text.append(f"| {name} | " + " | ".join(cells) + " |")
    (out / "summary.md").write_text("\n".join(text) + "\n", encoding="utf-8")
