"""Meshes and points straight from a dataset whose depths were measured, without any training."""

import json
import shutil

import numpy as np
import pytest
import trimesh

from splatkit.cli import main
from splatkit.evaluation.geometry import make_ray_caster
from splatkit.io.maps.depth_maps import write_depth_map, write_depth_sigmas
from splatkit.io.meshes import read_mesh
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene

SMALL = ("--texture-size", "256", "--unwrap-timeout-s", "0")
QUICK = ("--refinement-rounds", "0", "--max-faces", "5000")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene") / "studio"
    generate_scene(read_scene(find_scene("studio")), folder, 96, 72, views=16)
    return folder


@pytest.fixture(scope="module")
def dataset(scene, tmp_path_factory):
    """The scene with its exact depths as depth maps of the training photographs; every 8th is held out."""
    folder = tmp_path_factory.mktemp("measured") / "data"
    shutil.copytree(scene, folder)
    meta = json.loads((folder / "transforms.json").read_text())
    names = sorted(frame["file_path"] for frame in meta["frames"])
    for frame in meta["frames"]:
        stem = frame["file_path"].split("/")[-1].removesuffix(".png")
        depths = np.load(folder / f"truth/depth/{stem}.npy")
        if frame["file_path"] in names[::8]:
            depths = np.zeros_like(depths)
        write_depth_map(folder / f"{stem}.depth.png", depths, 1e-4)
        write_depth_sigmas(folder / f"{stem}.sigma.png", 1e-3 * depths, 1e-4)
        frame |= {"depth_file_path": f"{stem}.depth.png", "depth_sigma_file_path": f"{stem}.sigma.png"}
    meta["depth_unit_scale_factor"] = 1e-4
    (folder / "transforms.json").write_text(json.dumps(meta))
    return folder


def distances(mesh_path, scene):
    """Of the vertices of a mesh from the exact surface, m."""
    vertices = np.asarray(read_mesh(mesh_path).vertices, np.float32)
    return make_ray_caster(read_mesh(scene / "truth/mesh.ply")).compute_distance(vertices).numpy()


def test_a_mesh_without_any_training(scene, dataset, tmp_path):
    out = tmp_path / "mesh"
    assert main(["export", "mesh", "--dataset", str(dataset), "--out", str(out), *SMALL, *QUICK]) == 0
    assert np.median(distances(out / "mesh.ply", scene)) < 0.004  # a seventh of a pixel's footprint
    names = {path.name for path in out.iterdir()}
    assert {"mesh.glb", "mesh.obj", "report.html", "turntable.mp4", "export.json"} <= names
    assert "splats.ply" not in names
    record = json.loads((out / "export.json").read_text())
    assert record["dataset"] == str(dataset)
    assert "run" not in record
    assert record["sources"][0]["path"].endswith("transforms.json")
    assert record["held_out"]["photographs"] == 2
    assert record["held_out"]["psnr"] > 18
    assert record["held_out"]["coverage"] > 0.3


def test_an_object_without_its_table(scene, dataset, tmp_path, capsys):
    """The two boxes of the studio that stand on each other fill the middle of most photographs."""
    out = tmp_path / "object"
    words = ["export", "mesh", "--dataset", str(dataset), "--out", str(out), "--object", "--formats", "stl", "glb"]
    assert main([*words, *SMALL, "--refinement-rounds", "0", "--no-report", "--no-turntable"]) == 0
    solid = trimesh.load_mesh(out / "mesh.stl")
    assert solid.is_watertight
    record = json.loads((out / "export.json").read_text())["object"]
    assert record["metric"]
    assert record["volume"] == pytest.approx(solid.volume, rel=1e-4)
    # Voxels of 3 cm, unrefined: faces lie within a third of one, and the boxes have 0.75 square meters of them.
    true = 0.40 * 0.30 * 0.34 + 0.14**3
    assert record["volume"] == pytest.approx(true, abs=0.01 * 0.75)
    assert solid.bounds[0, 2] == pytest.approx(0, abs=0.003)
    printed = capsys.readouterr().out
    assert "m, volume" in printed
    assert "watertight" in printed
    assert (out / "mesh.glb").is_file()


def test_points_without_any_training(scene, dataset, tmp_path):
    out = tmp_path / "points.ply"
    assert main(["export", "points", "--dataset", str(dataset), "--out", str(out), "--count", "2000"]) == 0
    cloud = read_point_cloud(out)
    assert len(cloud.points) == 2000
    found = make_ray_caster(read_mesh(scene / "truth/mesh.ply")).compute_distance(cloud.points.astype(np.float32))
    assert np.median(found.numpy()) < 0.004


def test_points_near_the_cloud_of_the_dataset(dataset, tmp_path):
    """Of a cloud of one corner, that corner of the surface is left."""
    meta = json.loads((dataset / "transforms.json").read_text())
    cloud = read_point_cloud(dataset / meta["ply_file_path"])
    corner = cloud.points[(cloud.points[:, 0] > 0.3) & (cloud.points[:, 1] > 0.3)]
    write_point_cloud(dataset / "corner.ply", PointCloud(corner, None, None))
    near = dataset / "near.json"
    near.write_text(json.dumps(meta | {"ply_file_path": "corner.ply"}))
    out = tmp_path / "points.ply"
    words = ["--dataset", str(near), "--out", str(out), "--count", "2000", *QUICK]
    assert main(["export", "points", *words, "--max-distance-from-points", "0.05"]) == 0
    drawn = read_point_cloud(out).points
    assert drawn[:, :2].min() > 0.2


def code_of(*words):
    """Exit code of the command line, whose parser exits by itself."""
    try:
        return main(list(words))
    except SystemExit as exited:
        return exited.code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--load-config with the config.yml"),
        (("--dataset", "{plain}", "--load-config", "config.yml"), "pass one of the two"),
        (("--dataset", "{plain}"), "no photograph has a depth map"),
        (("--dataset", "{plain}/nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_exported_is_one_line(scene, tmp_path, capsys, words, message):
    given = [word.format(plain=scene) for word in words]
    for what, out in (("mesh", "mesh"), ("points", "points.ply")):
        assert code_of("export", what, *given, "--out", str(tmp_path / out)) == 2
        said = capsys.readouterr().err.replace("│", " ")  # of the box that the command line draws
        assert message in " ".join(said.split())
        assert not (tmp_path / out).exists()
