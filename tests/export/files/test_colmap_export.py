"""A dataset as a COLMAP model, as COLMAP itself reads it: every point falls on the pixel that the dataset says."""

import dataclasses

import numpy as np
import pycolmap
import pytest

from splatkit.cli import main
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import write_image
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.transforms_json import Frame, Transforms, write_transforms
from tests.io.far_world import SURVEY, move_dataset

LENSES = (
    Camera("pinhole", 64, 48, 60.0, 61.0, 31.5, 24.5),
    Camera("brown_conrady", 64, 48, 60.0, 61.0, 32.0, 24.0, (-0.1, 0.02, 0.001, -0.002)),
    Camera("brown_conrady", 64, 48, 60.0, 61.0, 32.0, 24.0, (-0.1, 0.02, 0.001, -0.002, 0.003)),
    Camera("kannala_brandt", 64, 48, 40.0, 40.0, 32.0, 24.0, (0.02, -0.01, 0.001, 0.0)),
)


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "dataset"
    (folder / "images").mkdir(parents=True)
    frames = []
    for index, lens in enumerate((*LENSES, LENSES[0])):
        write_image(folder / f"images/{index}.png", np.zeros((48, 64, 3), np.uint8))
        pose = np.eye(4)
        pose[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        pose[:3, :3] *= np.sign(np.linalg.det(pose[:3, :3]))
        pose[:3, 3] = rng.normal(size=3)
        frames.append(Frame(PosedCamera(f"images/{index}.png", lens, pose), folder / f"images/{index}.png"))
    cloud = PointCloud(rng.normal(scale=3, size=(300, 3)).astype(np.float32), rng.integers(0, 255, (300, 3), np.uint8))
    write_point_cloud(folder / "points.ply", cloud)
    transforms = Transforms(folder, tuple(frames), folder / "points.ply")
    write_transforms(folder / "transforms.json", transforms)
    return transforms, cloud


@pytest.mark.parametrize("form", ["", "text"])
def test_points_fall_on_the_same_pixels(dataset, tmp_path, form):
    transforms, cloud = dataset
    out = tmp_path / "sparse"
    assert main(["export", "colmap", "--data", str(transforms.root), "--out", str(out)]) == 0
    model = pycolmap.Reconstruction(str(out / form))
    assert (model.num_cameras(), model.num_images(), model.num_points3D()) == (4, 5, 300)
    compared = 0
    for frame in transforms.frames:
        image = next(each for each in model.images.values() if each.name == frame.file_path)
        pixels, inside = frame.posed.project(cloud.points)
        for point, pixel in zip(cloud.points[inside], pixels[inside], strict=True):
            found = image.project_point(point.astype(np.float64))
            assert found is not None
            np.testing.assert_allclose(found, pixel, atol=1e-4)
            compared += 1
    assert compared > 30
    first = model.points3D[min(model.points3D)]
    np.testing.assert_allclose(first.xyz, cloud.points[0], atol=1e-6)
    np.testing.assert_array_equal(first.color, cloud.colors[0])


def test_a_bounded_number_of_points(dataset, tmp_path, capsys):
    root, out = str(dataset[0].root), tmp_path / "sparse"
    assert main(["export", "colmap", "--data", root, "--out", str(out), "--max-points", "100"]) == 0
    assert pycolmap.Reconstruction(str(out)).num_points3D() == 100
    assert main(["export", "colmap", "--data", root, "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", "colmap", "--data", root, "--out", str(out), "--overwrite", "--max-points", "0"]) == 2
    assert "--max-points" in capsys.readouterr().err


def test_a_lens_without_a_name_there_is_refused(dataset, tmp_path, capsys):
    transforms, _ = dataset
    panorama = Camera("equirectangular", 64, 48, 64 / (2 * np.pi), 48 / np.pi, 32.0, 24.0)
    posed = dataclasses.replace(transforms.frames[0].posed, camera=panorama)
    frames = (dataclasses.replace(transforms.frames[0], posed=posed), *transforms.frames[1:])
    write_transforms(transforms.root / "transforms.json", dataclasses.replace(transforms, frames=frames))
    out = tmp_path / "sparse"
    assert main(["export", "colmap", "--data", str(transforms.root), "--out", str(out)]) == 2
    assert "equirectangular" in capsys.readouterr().err
    assert not out.exists()


def test_a_surveys_world_comes_back_to_its_own_coordinates(dataset, tmp_path):
    """Source: metashape-scripts #66."""
    transforms, cloud = dataset
    move_dataset(transforms.root, digits=7)
    assert main(["export", "colmap", "--data", str(transforms.root), "--out", str(tmp_path / "far")]) == 0
    model = pycolmap.Reconstruction(str(tmp_path / "far"))
    for frame in transforms.frames:
        image = next(each for each in model.images.values() if each.name == frame.file_path)
        np.testing.assert_allclose(image.projection_center() - SURVEY, frame.posed.center, rtol=0, atol=1e-6)
    points = np.array([model.points3D[i].xyz for i in sorted(model.points3D)])
    np.testing.assert_allclose(points - SURVEY, cloud.points, rtol=0, atol=1e-6)
