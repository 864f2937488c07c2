"""Whole exports of a small run: what is in the folder, and one clear line where it cannot be made."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import trimesh

from splatkit.cli import main
from splatkit.export import run_export
from splatkit.export.files.point_export import export_points
from splatkit.export.run_export import MeshExport, export_mesh
from splatkit.export.settings import ExportMeshSettings, ExportPointsSettings
from splatkit.export.surface.make_surface import Surface, make_surface
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.export.texture.settings import TextureSettings
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.splats import read_splats
from splatkit.io.transforms_json import read_transforms
from splatkit.runs.trained_run import TrainedRun
from splatkit.runs.views import RunView
from splatkit.splatting.seeding import splats_from_points
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene
from tests.io.far_world import SURVEY, move_dataset


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    generate_scene(read_scene(find_scene("studio")), folder, 96, 72, views=12)
    return folder


def views_of(frames) -> tuple[RunView, ...]:
    return tuple(RunView(frame.image_path, frame.posed, frame.camera) for frame in frames)


@pytest.fixture
def run(scene, tmp_path, monkeypatch):
    """Path of a config.yml that stands for a run on the scene, whose surface is the true one."""
    frames = read_transforms(scene).frames
    (tmp_path / "run").mkdir()
    config, checkpoint = tmp_path / "run/config.yml", tmp_path / "run/step-000000001.ckpt"
    config.write_text("a run\n")
    checkpoint.write_bytes(b"weights")
    generator = torch.Generator().manual_seed(0)
    splats = splats_from_points(torch.rand(50, 3, generator=generator), torch.rand(50, 3), 1, 100, generator)
    loaded = TrainedRun(
        splats,
        1,
        "classic",
        "generalized_exponential",
        views_of(frames[1:]),
        views_of(frames[:1]),
        scene,
        checkpoint,
        1,
    )
    truth = read_mesh(scene / "truth/mesh.ply")

    def surface(*_) -> Surface:
        return Surface(Mesh(truth.vertices, truth.faces), {"steps": []})

    for module in ("run_export", "files.point_export"):
        monkeypatch.setattr(f"splatkit.export.{module}.open_run", lambda *_: loaded)
        monkeypatch.setattr(f"splatkit.export.{module}.surface_of", surface)
    return config


def export(run, out, **more) -> MeshExport:
    texture = TextureSettings(texture_size=256, unwrap_timeout_s=0)
    return export_mesh(ExportMeshSettings(load_config=run, out=out, **{"texture": texture, **more}))


def command(run, out, *more: str) -> int:
    words = ["export", "mesh", "--load-config", str(run), "--out", str(out)]
    return main([*words, "--texture-size", "256", "--unwrap-timeout-s", "0", *more])


def test_the_folder_holds_everything_and_says_what_it_is(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert command(run, out, "--formats", "glb", "obj", "ply", "stl") == 0
    record = json.loads((out / "export.json").read_text())
    names = {path.name for path in out.iterdir()}
    assert names == {
        "mesh.glb",
        "mesh.obj",
        "mesh.mtl",
        "mesh.jpg",
        "mesh.ply",
        "mesh.stl",
        "splats.ply",
        "export.json",
        "report.html",
        "turntable.mp4",
        "turntable.png",
    }
    assert record["files"] == {name: (out / name).stat().st_size for name in names - {"export.json"}}
    assert record["units"] == "m"
    assert [source["path"].rsplit("/", 1)[1] for source in record["sources"]] == [
        "config.yml",
        "step-000000001.ckpt",
        "transforms.json",
    ]
    digest = hashlib.sha256(run.read_bytes()).hexdigest()
    assert record["sources"][0]["sha256"] == digest
    assert record["held_out"]["photographs"] == 1
    assert record["held_out"]["psnr"] > 18
    assert record["held_out"]["coverage"] > 0.95
    verdict = record["held_out"]["verdict"]
    assert f"\n{verdict}\n" in capsys.readouterr().out
    assert verdict.startswith("held-out photographs: ")
    assert "worst: frame_0000.png" in verdict
    page = (out / "report.html").read_text()
    assert page.index(f"H{verdict[1:]}") < page.index("<img")
    assert "Where the colors are wrong" in page
    assert "How precise the surface is" not in page
    video = cv2.VideoCapture(str(out / "turntable.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 72
    assert video.read()[1].std() > 20
    video.release()
    loaded: Any = trimesh.load_mesh(out / "mesh.glb", process=False)
    assert loaded.visual.material.baseColorTexture.size == (256, 256)


def test_sigmas_are_written_and_shown_and_what_was_not_held_out_is_said(run, tmp_path, monkeypatch):
    loaded = run_export.open_run(run, None)
    object.__setattr__(loaded, "eval_views", ())
    bare = make_surface(loaded, SurfaceSettings()).mesh
    sigmas = np.linspace(0.001, 0.011, len(bare.vertices), dtype=np.float32)
    sigmas[: len(sigmas) // 2] = np.nan
    found = Surface(replace(bare, vertex_sigmas=sigmas), {"steps": []})
    monkeypatch.setattr(run_export, "surface_of", lambda *_: found)
    out = tmp_path / "out"
    assert command(run, out, "--no-turntable", "--frame", "normalized") == 0
    record = json.loads((out / "export.json").read_text())
    scale = record["from_input"]["scale"]
    assert record["mesh"]["vertex_sigmas"]["median"] == pytest.approx(0.0085 * scale, rel=0.01)
    assert record["mesh"]["vertex_sigmas"]["ninety_percent_below"] == pytest.approx(0.0105 * scale, rel=0.01)
    assert record["mesh"]["vertex_sigmas"]["known_share"] == pytest.approx(0.5, abs=0.01)
    read = read_mesh(out / "mesh.ply").vertex_sigmas
    assert read is not None
    np.testing.assert_allclose(read, sigmas * scale, rtol=1e-6)
    of_glb = read_mesh(out / "mesh.glb").vertex_sigmas
    assert of_glb is not None
    assert len(of_glb) > len(read)  # split along the seams
    page = (out / "report.html").read_text()
    assert "How precise the surface is" in page
    assert "No photograph was held out; 11 that the mesh was made from" in page
    assert record["held_out"]["photographs"] == 0


def test_parts_can_be_left_out_and_the_frame_normalized(run, tmp_path):
    out = tmp_path / "out"
    colors = TextureSettings(texture="vertices")
    done = export(run, out, no_splats=True, formats=("ply",), texture=colors, frame="normalized")
    assert done.frame.name == "normalized"
    assert {path.name for path in out.iterdir()} == {"mesh.ply", "export.json"}
    record = json.loads((out / "export.json").read_text())
    mesh = read_mesh(out / "mesh.ply")
    assert mesh.vertex_colors is not None
    assert np.abs(mesh.vertices).max() < 1.5
    back = record["from_input"]
    assert record["frame_name"] == "normalized"
    low, high = np.array(record["mesh"]["bounds"]) / back["scale"] + back["center"]
    scene_mesh = read_mesh(read_transforms(record["dataset"]).root / "truth/mesh.ply")
    np.testing.assert_allclose([low, high], [scene_mesh.vertices.min(0), scene_mesh.vertices.max(0)], atol=1e-5)


def test_beside_a_mesh_lie_the_nearest_gaussians_of_kernels_that_files_do_not_hold(run, tmp_path):
    loaded = run_export.open_run(run, None)
    object.__setattr__(loaded, "kernel", "compact_beta")
    done = export(run, tmp_path / "out", formats=("ply",))
    assert {path.name for path in done.out.iterdir()} == {"mesh.ply", "splats.ply", "export.json"}
    assert (read_splats(done.out / "splats.ply").betas == 2).all()


def test_points_lie_on_the_surface_in_its_colors(run, tmp_path):
    assert export_points(ExportPointsSettings(load_config=run, out=tmp_path / "a.ply", count=5000)).units == "m"
    cloud = read_point_cloud(tmp_path / "a.ply")
    assert len(cloud.points) == 5000
    assert cloud.normals is not None
    assert cloud.colors is not None
    assert cloud.colors.std() > 30
    geo = tmp_path / "geo.json"
    geo.write_text(json.dumps({"crs": "EPSG:25832", "offset": [691000, 5334000, 500]}))
    export_points(ExportPointsSettings(load_config=run, out=tmp_path / "a.laz", count=5000, georeference=geo))
    placed = read_point_cloud(tmp_path / "a.laz")
    np.testing.assert_allclose(placed.points - [691000, 5334000, 500], cloud.points, atol=1e-4)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--texture-size", "9999999"], "texture_size"),
        (["--georeference", "nowhere.json"], "nowhere.json: no such file"),
        (["--texture-memory-gb", "0"], "texture_memory_gb"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run, tmp_path, capsys, more, word):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_export, "surface_of", None)  # not even begun
        try:
            code = command(run, tmp_path / "out", *more)
        except SystemExit as error:  # tyro builds the settings
            code = int(str(error.code))
    assert code == 2
    assert word in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_missing_photograph_is_named_before_the_work(run, tmp_path, scene, monkeypatch, capsys):
    copy = shutil.copytree(scene, tmp_path / "scene")
    frames = read_transforms(copy).frames
    loaded = run_export.open_run(run, None)
    object.__setattr__(loaded, "train_views", views_of(frames[1:]))
    object.__setattr__(loaded, "dataset", copy)
    frames[3].image_path.unlink()
    monkeypatch.setattr(run_export, "surface_of", None)
    assert command(run, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "frame_0003.png: this photograph is gone" in error
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_what_was_there(run, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    few = ("-q", "--no-report", "--no-turntable")
    assert command(run, out, *few) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("splatkit.io.formats.gltf.write_document", full)
    assert command(run, out, *few, "--overwrite") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the disk is full" in error
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


def test_a_read_only_place_is_named(run, tmp_path, capsys, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("splatkit.io.atomic.tempfile.mkdtemp", refuse)
    assert command(run, tmp_path / "there" / "out", "--no-report", "--no-turntable") == 2
    assert "read-only" in capsys.readouterr().err


def test_splats_keep_their_place_in_the_normalized_folder(run, tmp_path):
    out = tmp_path / "out"
    export(run, out, frame="normalized", formats=("ply",))
    record = json.loads((out / "export.json").read_text())
    loaded = run_export.open_run(run, None)
    assert isinstance(loaded, TrainedRun)
    moved = read_splats(out / "splats.ply").means / record["from_input"]["scale"] + record["from_input"]["center"]
    np.testing.assert_allclose(moved, loaded.splats.means.numpy(), atol=1e-5)


def test_writers_that_the_system_stops_leave_nothing(tmp_path):
    """A real limit of the system on the size of files, as a full disk: the writer's own error, not a made-up one."""
    program = (
        "import resource, signal, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from splatkit.io.meshes import Mesh, write_mesh\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "mesh = Mesh(np.zeros((20_000, 3)), np.zeros((20_000, 3), int))\n"
        "for suffix in ('.ply', '.obj', '.glb', '.stl'):\n"
        "    try:\n"
        "        write_mesh(Path(sys.argv[1]) / ('a' + suffix), mesh)\n"
        "    except OSError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 4
    assert all("does not take a file of this size" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


STEP = {"step": "views", "measured_over_rendered": 1e-3}


def test_a_surveys_world_is_exported_in_its_own_coordinates_where_the_format_can(scene, run, tmp_path, monkeypatch):
    """Within a millimeter; what has single precision alone is local and named. Source: metashape-scripts #66."""
    far = shutil.copytree(scene, tmp_path / "far")
    move_dataset(far)
    frames, loaded = read_transforms(far), run_export.open_run(run, None)
    local = np.array(SURVEY) - frames.origin  # of what was near the origin
    truth = read_mesh(scene / "truth/mesh.ply")
    moved = Mesh(truth.vertices + local, truth.faces)
    monkeypatch.setattr(run_export, "surface_of", lambda *_: Surface(moved, {"steps": [STEP]}))
    object.__setattr__(loaded, "dataset", far)
    object.__setattr__(loaded, "train_views", views_of(frames.frames[1:]))
    object.__setattr__(loaded, "eval_views", views_of(frames.frames[:1]))
    done = export(run, tmp_path / "out", formats=("ply", "obj", "glb", "stl"))
    for name in ("mesh.ply", "mesh.obj", "mesh.glb"):
        vertices = read_mesh(done.out / name).vertices - np.array(SURVEY)
        for find in (np.min, np.max):
            np.testing.assert_allclose(find(vertices, 0), find(truth.vertices, 0), rtol=0, atol=1e-3)
    record = json.loads((done.out / "export.json").read_text())
    assert record["local_origin"] == list(frames.origin)
    assert record["local_files"] == ["mesh.stl", "splats.ply"]
    assert done.warnings[0].startswith("mesh.stl, splats.ply: single precision cannot hold")
    assert done.warnings[1].startswith("the dataset's depth maps are 0.001 times as deep as what the run renders")
    stl = read_mesh(done.out / "mesh.stl").vertices + frames.origin - np.array(SURVEY)
    np.testing.assert_allclose(stl.min(0), truth.vertices.min(0), rtol=0, atol=1e-3)
    x, y, z = frames.origin
    assert f"comment local coordinates: add {x!r} {y!r} {z!r}".encode() in (done.out / "splats.ply").read_bytes()[:2000]
