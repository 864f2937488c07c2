"""Where exports are: the dataset's frame, a normalized one, and on Earth."""

import json
from dataclasses import replace

import laspy
import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.export.files.frames import ExportFrame, Georeference, dataset_units, export_frame, read_georeference
from splatkit.export.files.point_export import write_points
from splatkit.export.files.splat_export import splats_in_frame, splats_of_frame
from splatkit.io.mesh import Mesh
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud
from splatkit.splatting.rendering import render_splats
from splatkit.splatting.seeding import splats_from_points


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": []}))
    return tmp_path


def georeference(tmp_path, **entries):
    path = tmp_path / "geo.json"
    path.write_text(json.dumps(entries))
    return path


def test_the_input_frame_changes_nothing(dataset):
    points = np.random.default_rng(0).normal(size=(50, 3))
    frame = export_frame("input", points, dataset, None)
    assert frame.apply(points) is points
    assert frame.record() == {
        "frame": "that of the dataset's camera poses",
        "frame_name": "input",
        "units": "scene units",
    }


def test_the_normalized_frame_has_radius_one_and_a_way_back(dataset):
    points = np.random.default_rng(0).uniform(-1, 1, (5000, 3)) * [5, 2, 1] + [100, -50, 7]
    frame = export_frame("normalized", points, dataset, None)
    moved = frame.apply(points)
    assert np.quantile(np.linalg.norm(moved, axis=1), 0.99) == pytest.approx(1.0)
    back = frame.record()["from_input"]
    np.testing.assert_allclose(moved / back["scale"] + back["center"], points, atol=1e-9)


def test_sigmas_scale_with_the_mesh():
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]), vertex_sigmas=np.array([0.5, np.nan, 2], np.float32))
    normalized = ExportFrame("normalized", "radii", (1.0, 0.0, 0.0), 0.25)
    for frame, expected in ((normalized, [0.125, np.nan, 0.5]), (ExportFrame(), [0.5, np.nan, 2])):
        found = frame.apply_to_mesh(mesh).vertex_sigmas
        assert found is not None
        np.testing.assert_array_equal(found, np.array(expected))
    assert normalized.apply_to_mesh(replace(mesh, vertex_sigmas=None)).vertex_sigmas is None


def test_splats_in_the_normalized_frame_look_the_same():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 3, generator=generator) + torch.tensor([20.0, 0, 0])
    splats = splats_from_points(points, torch.rand(200, 3, generator=generator), 2, 1000, generator)
    splats.shN.normal_(generator=generator)
    frame = ExportFrame("normalized", "radii", (19.0, 0.5, -0.25), 0.125)
    moved = splats_in_frame(splats, frame)
    viewmat = torch.eye(4)
    viewmat[:3, :3] = torch.tensor([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    viewmat[:3, 3] = -viewmat[:3, :3] @ torch.tensor([10.0, 0, 0])
    scaled = viewmat.clone()
    scaled[:3, 3] = -viewmat[:3, :3] @ ((torch.tensor([10.0, 0, 0]) - torch.tensor(frame.center)) * frame.scale)
    K = torch.tensor([[[60.0, 0, 40], [0, 60, 30], [0, 0, 1]]])

    def render(s, pose):
        return render_splats(
            s.means, s.quats, s.scales, s.opacities, s.betas, s.sh, pose[None], K, 80, 60, sh_degree=2
        ).colors

    expected, found = render(splats, viewmat), render(moved, scaled)
    assert expected.max() > 0.2
    # The near plane lies at a fixed distance, everything else scales.
    assert (expected - found).abs().max() < 2e-3
    back = splats_of_frame(moved, frame)
    torch.testing.assert_close(back.means, splats.means, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.scales, splats.scales)


def test_units_are_what_the_dataset_says(dataset):
    assert dataset_units(dataset) == "scene units"
    (dataset / "points.ply").write_bytes(b"ply\nformat ascii 1.0\ncomment units: m, z up\nend_header\n")
    assert dataset_units(dataset) == "m"
    assert dataset_units(dataset / "transforms.json") == "m"
    (dataset / "capture.json").write_text(json.dumps({"scale": "arbitrary"}))
    assert dataset_units(dataset) == "scene units"
    (dataset / "capture.json").write_text(json.dumps({"scale": "metric"}))
    assert dataset_units(dataset) == "m"


def test_a_georeference_comes_from_a_file_or_the_dataset(dataset):
    assert read_georeference(dataset, None) is None
    path = georeference(dataset, crs="EPSG:25832", offset=[691234.5, 5334567.25, 512])
    found = read_georeference(dataset, path)
    assert found == Georeference("EPSG:25832", (691234.5, 5334567.25, 512.0))
    assert found.is_offset_only
    entry = {"crs": "EPSG:4978", "offset": [1, 2, 3], "scale": 2.0, "rotation": [[0, -1, 0], [1, 0, 0], [0, 0, 1]]}
    (dataset / "transforms.json").write_text(json.dumps({"georeference": entry}))
    found = read_georeference(dataset, None)
    assert found is not None
    np.testing.assert_allclose(found.place(np.array([[1.0, 0, 0]])), [[1, 4, 3]])
    frame = export_frame("input", np.zeros((4, 3)), dataset, path)
    assert frame.comments()[-1] == "georeference: EPSG:25832, add 691234.5 5334567.25 512.0"
    assert frame.record()["georeference"]["offset"] == (691234.5, 5334567.25, 512.0)


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({"offset": [1, 2, 3]}, "crs"),
        ({"crs": "EPSG:1"}, "offset"),
        ({"crs": "EPSG:1", "offset": [1, 2]}, "three numbers"),
        ({"crs": "EPSG:1", "offset": [1, "x", 2]}, "numbers"),
        ({"crs": "EPSG:1", "offset": [1, 2, 3], "rotation": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}, "rotation"),
        ({"crs": "EPSG:1", "offset": [1, 2, 3], "scale": -1}, "scale"),
    ],
)
def test_what_is_no_georeference_is_refused(dataset, entries, word):
    with pytest.raises(DatasetError, match=word):
        read_georeference(dataset, georeference(dataset, **entries))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_georeference(dataset, dataset / "nowhere.json")


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_surveyors_files_hold_places_on_earth_to_a_tenth_of_a_millimeter(tmp_path, suffix):
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.uniform(-40, 40, (500, 3)), rng.integers(0, 256, (500, 3)).astype(np.uint8))
    frame = ExportFrame(units="m", georeference=Georeference("EPSG:25832", (691234.5, 5334567.25, 512.0)))
    write_points(tmp_path / f"a{suffix}", cloud, frame)
    read = laspy.read(tmp_path / f"a{suffix}")
    assert np.abs(read.xyz - (cloud.points + np.array([691234.5, 5334567.25, 512.0]))).max() < 0.6e-4
    assert cloud.colors is not None
    np.testing.assert_array_equal(np.asarray(read.green) // 257, cloud.colors[:, 1])
    other = read_point_cloud(tmp_path / f"a{suffix}")
    assert other.colors is not None
    np.testing.assert_array_equal(other.colors, cloud.colors)


def test_a_ply_stays_local_and_says_where_it_is(tmp_path):
    cloud = PointCloud(np.array([[1.5, 2.5, 3.5]]), np.array([[1, 2, 3]], np.uint8), np.array([[0, 0, 1]], np.float32))
    frame = ExportFrame(units="m", georeference=Georeference("EPSG:25832", (691234.5, 5334567.25, 512.0)))
    write_points(tmp_path / "a.ply", cloud, frame)
    assert b"comment georeference: EPSG:25832, add 691234.5 5334567.25 512.0" in (tmp_path / "a.ply").read_bytes()
    read = read_point_cloud(tmp_path / "a.ply")
    np.testing.assert_array_equal(read.points, cloud.points)
    assert read.normals is not None
    np.testing.assert_array_equal(read.normals, [[0, 0, 1]])


def test_what_is_local_says_what_to_add_to_the_last_digit():
    frame = ExportFrame(origin=(500000.0, 5400000.5, 120.0))
    assert frame.local_warning.endswith("local, add (500000, 5400000.5, 120)")
    np.testing.assert_array_equal(frame.place(np.ones((1, 3))), [[500001.0, 5400001.5, 121.0]])
    assert not ExportFrame("normalized", origin=(500000.0, 0.0, 0.0)).is_local
