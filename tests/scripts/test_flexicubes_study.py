"""The reconstruction benchmark and the isosurface family of the benchmark run, and go on where they stopped."""

from pathlib import Path

import pytest
import torch

from benchmarks.isosurface import measure_isosurface
from benchmarks.marching_cubes import MarchingCubes
from studies.flexicubes_study import main
from tests.isosurface_cases import assert_closed_manifold, grid_points


def test_quick_reconstruction_writes_a_table_and_resumes(tmp_path: Path):
    main(tmp_path, quick=True)
    results = sorted(tmp_path.glob("*.json"))
    assert [path.name for path in results] == [
        "box_16_FlexiCubes_10.json",
        "box_16_dual_10.json",
        "box_16_marching_cubes_10.json",
    ]
    written = [path.stat().st_mtime_ns for path in results]
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert sum(line.startswith("| 16 | ") for line in lines) == 5  # three methods, two differences
    results[0].unlink()
    main(tmp_path, quick=True)
    assert [path.stat().st_mtime_ns for path in results[1:]] == written[1:]
    assert results[0].exists()


def test_the_benchmark_has_the_names_that_it_promises():
    records = measure_isosurface(None, quick=True)
    names = {record.name for record in records}
    assert {"forward", "backward", "peak_memory_mb", "forward_over_marching_cubes"} <= names
    broken = [record for record in records if "non_manifold" in record.name]
    assert [record.median for record in broken] == [0, 0]
    assert all(record.median > 0 for record in records if record not in broken)


def test_the_control_is_closed_and_its_vertices_move_with_the_field():
    field = (grid_points(12, 12, 12).norm(dim=-1) - 0.7).float().requires_grad_()
    surface = MarchingCubes()(field)
    assert_closed_manifold(surface.faces)
    assert (surface.vertices.detach().norm(dim=-1) - 0.7).abs().max() < 0.01
    a, b, c = surface.vertices.detach()[surface.faces].unbind(1)
    assert (a * torch.linalg.cross(b, c)).sum() > 0
    (gradient,) = torch.autograd.grad(surface.vertices.norm(dim=-1).sum(), field)
    assert gradient[field.detach().abs() < 0.05].sum().item() < 0  # a larger field is a smaller sphere


def test_results_that_need_meshes_are_refused_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("SPLATKIT_DATA", raising=False)
    with pytest.raises(SystemExit, match="set SPLATKIT_DATA"):
        main(tmp_path)
