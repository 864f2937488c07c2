"""`scripts/fit.py sdf` and `motion`: shapes come back, and bad input is one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from fields.meshes import (
    DistanceField,
    OpenMeshError,
    extract_mesh,
    load_solid,
)
from fields.motion import moving_distance, sample_motion

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts/fit.py"


def run(field: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), field, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_ball_comes_back_in_its_own_frame(tmp_path: Path):
    ball = trimesh.creation.icosphere(subdivisions=4, radius=3.0)
    ball.apply_translation([10, 20, 30])
    ball.export(tmp_path / "ball.ply")
    options = ["--steps", 150, "--batch", 4096, "--num-levels", 6, "--max-res", 64, "--resolution", 48]
    done = run("sdf", tmp_path / "ball.ply", "--out", tmp_path / "fit", *options)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "fit/fit.json").read_text())
    assert result["chamfer"] < 0.03  # a hundredth of the radius; 0.002 to 0.007 over two seeds
    assert result["iou_near"] > 0.95  # 0.973 to 0.978
    vertices = trimesh.load_mesh(tmp_path / "fit/mesh.ply").vertices
    assert np.allclose(vertices.mean(axis=0), [10, 20, 30], atol=0.1)
    assert {path.name for path in (tmp_path / "fit").iterdir()} == {"fit.json", "fit.png", "fit.pt", "mesh.ply"}


@pytest.mark.slow
def test_a_moving_object_comes_back(tmp_path: Path):
    options = ["--steps", 200, "--batch", 4096, "--num-levels", 6, "--max-res", 32, "--log2-hashmap-size", 12]
    done = run("motion", "--out", tmp_path / "fit", *options)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "fit/fit.json").read_text())
    assert result["mae_near"] < 0.01
    assert (tmp_path / "fit/motion.png").is_file()


def test_parts_that_touch_are_not_called_open(tmp_path: Path):
    """Source: trimesh #2364; two boxes side by side, in whose shared edges four faces meet."""
    boxes = [trimesh.creation.box(bounds=[[x, 0, 0], [x + 1, 1, 1]]) for x in (0, 1)]
    trimesh.util.concatenate(boxes).export(tmp_path / "parts.ply")
    with pytest.raises(OpenMeshError, match=r"parts\.ply: more than two faces meet in \d edges, as where parts touch"):
        load_solid(tmp_path / "parts.ply")


def test_an_open_mesh_is_one_line(tmp_path: Path):
    trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]).export(tmp_path / "open.ply")
    with pytest.raises(OpenMeshError, match=r"open\.ply: the mesh is not closed \(3 open edges\)"):
        load_solid(tmp_path / "open.ply")
    done = run("sdf", tmp_path / "none.ply", "--out", tmp_path / "fit")
    assert done.returncode != 0
    assert done.stderr.strip().splitlines() == [f"fit sdf: {tmp_path / 'none.ply'}: no such mesh"]


class ExactField(torch.nn.Module):
    """Known distances in place of fitted ones."""

    def __init__(self, distance) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        return self.distance(positions)[:, None]


@pytest.mark.parametrize(("resolution", "sharp"), [(21, True), (37, False)])
def test_a_coarse_grid_keeps_the_corners_of_a_box_and_a_fine_one_cuts_them(tmp_path: Path, resolution, sharp):
    trimesh.creation.box((4, 3, 2)).export(tmp_path / "box.ply")
    solid = load_solid(tmp_path / "box.ply")
    mesh = extract_mesh(ExactField(DistanceField(solid.mesh)), 64, solid, resolution)
    found = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert found.is_watertight
    assert np.isclose(found.volume, 24, rtol=1e-3 if sharp else 0.02)
    corner = np.abs(found.vertices - [2, 1.5, 1]).max(axis=1).min() / (4 / 0.9 / resolution)
    assert corner < 0.1 if sharp else 0.3 < corner < 1  # of a cell


def test_a_field_without_surface_is_one_line(tmp_path: Path):
    trimesh.creation.box((4, 3, 2)).export(tmp_path / "box.ply")
    solid = load_solid(tmp_path / "box.ply")
    field = ExactField(lambda positions: torch.ones(len(positions)))
    for resolution in (21, 37):
        with pytest.raises(OpenMeshError, match="nowhere zero"):
            extract_mesh(field, 64, solid, resolution)


def test_distances_to_a_mesh_are_signed_and_in_units_of_the_cube(tmp_path: Path):
    trimesh.creation.box((4, 2, 2)).export(tmp_path / "box.ply")
    solid = load_solid(tmp_path / "box.ply")
    distances = DistanceField(solid.mesh)(torch.tensor([[0.5, 0.5, 0.5], [0.5, 0.5, 1.0], [0.95, 0.5, 0.5]]))
    assert torch.allclose(distances, torch.tensor([-0.225, 0.275, 0.0]), atol=1e-6)
    assert np.allclose(solid.to_mesh_frame(np.array([[0.95, 0.5, 0.5]])), [[2, 0, 0]])


def test_the_moving_field_is_a_distance():
    """Its gradient in space has length one, and samples lie near its zero."""
    positions = torch.rand(2000, 4, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(moving_distance(positions).sum(), positions)
    assert torch.allclose(slope[:, :3].norm(dim=-1), torch.ones(2000, dtype=torch.float64))
    _, distances = sample_motion(4000, torch.Generator().manual_seed(0))
    assert distances.abs().median() < 0.03
