"""A generated dataset is complete, consistent and the same for the same seed."""

import hashlib
import json

import numpy as np
import pytest

from splatkit.io.images import read_image
from splatkit.io.meshes import read_mesh
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.transforms_json import read_transforms
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene


def generate(folder, seed):
    folder.mkdir()
    generate_scene(read_scene(find_scene("studio")), folder, width=64, height=48, views=12, seed=seed)
    return folder


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("scenes") / "studio", seed=0)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(studio, tmp_path):
    again, other = digests(generate(tmp_path / "again", 0)), digests(generate(tmp_path / "other", 1))
    assert again == digests(studio)
    assert again.keys() == other.keys()
    assert again["images/frame_0003.png"] != other["images/frame_0003.png"]
    assert again["points.ply"] != other["points.ply"]


def test_it_is_a_dataset_with_every_eighth_view_held_out(studio):
    transforms = read_transforms(studio)
    assert len(transforms.frames) == 12
    assert transforms.missing == ()
    assert transforms.splits["test"] == transforms.splits["val"] == ("images/frame_0000.png", "images/frame_0008.png")
    assert len(transforms.splits["train"]) == 10
    assert transforms.ply_path == studio.resolve() / "points.ply"
    for frame in transforms.frames:
        assert read_image(frame.image_path).shape == (48, 64, 4)


def test_images_are_transparent_where_nothing_is_and_opaque_inside(studio):
    for path in sorted((studio / "images").iterdir()):
        image, alphas = read_image(path), read_image(studio / "truth/alphas" / path.name)[..., 0]
        np.testing.assert_array_equal(image[..., 3], alphas)
        assert (image[alphas == 0][:, :3] == 128).all()  # the background's color, for programs that ignore transparency


def test_seed_points_lie_on_the_depth_of_views_that_see_them(studio):
    transforms = read_transforms(studio)
    points = read_point_cloud(studio / "points.ply").points.astype(np.float64)
    assert len(points) == 64 * 48 // 16
    seen = np.zeros(len(points), dtype=np.int64)
    for frame in transforms.frames:
        pixels, z = frame.posed.image(points)
        columns, rows = np.floor(pixels).astype(np.int64).T
        inside = (z > 0) & (columns >= 0) & (columns < 64) & (rows >= 0) & (rows < 48)
        depths = np.load(studio / f"truth/depth/{frame.image_path.stem}.npy")
        depth = depths[rows.clip(0, 47), columns.clip(0, 63)]
        seen += inside & (np.abs(z - depth) < 0.1)  # pixels are 3 cm wide at this resolution
    assert (seen >= 2).mean() > 0.98


def test_seed_points_have_the_colors_of_the_images(studio):
    cloud = read_point_cloud(studio / "points.ply")
    assert cloud.colors is not None
    images = np.stack([read_image(path) for path in sorted((studio / "images").iterdir())])
    covered = np.stack([read_image(path)[..., 0] for path in sorted((studio / "truth/alphas").iterdir())]) == 255
    np.testing.assert_allclose(cloud.colors.mean(0), images[covered][:, :3].mean(0), atol=20)


def test_truth_is_complete(studio):
    summary = json.loads((studio / "truth/scene.json").read_text())
    mesh = read_mesh(studio / "truth/mesh.ply")
    np.testing.assert_allclose([mesh.vertices.min(0), mesh.vertices.max(0)], summary["bounds"], atol=1e-6)
    assert summary["diagonal"] == pytest.approx(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    depth, normals = (np.load(studio / f"truth/{kind}/frame_0000.npy") for kind in ("depth", "normals"))
    assert depth.shape == (48, 64)
    assert depth.dtype == np.float32
    assert normals.shape == (48, 64, 3)


@pytest.fixture(scope="module")
def backdrop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "backdrop"
    folder.mkdir()
    generate_scene(read_scene(find_scene("backdrop")), folder, width=96, height=72, views=12)
    return folder


def test_a_backdrop_is_photographed_opaque_and_without_texture(backdrop):
    low, high = np.full(3, 255), np.zeros(3)
    for path in sorted((backdrop / "images").iterdir()):
        image, alphas = read_image(path), read_image(backdrop / "truth/alphas" / path.name)[..., 0]
        assert image.shape == (72, 96, 3)
        assert 0.1 < (alphas == 0).mean() < 0.9
        across = (alphas[:, 1:] == 0) & (alphas[:, :-1] == 0)
        assert np.abs(np.diff(image.astype(int), axis=1))[across].max() <= 1
        low, high = np.minimum(low, image[alphas == 0].min(0)), np.maximum(high, image[alphas == 0].max(0))
    description = read_scene(find_scene("backdrop"))
    assert (low >= 255 * np.array(description.background) - 1).all()
    assert (high <= 255 * np.array(description.zenith) + 1).all()
    assert (high - low > 20).all()


def test_a_backdrop_is_nothing_in_the_truth(backdrop):
    mesh = read_mesh(backdrop / "truth/mesh.ply")
    assert np.ptp(mesh.vertices, axis=0).max() < 1.3  # the table's width; cameras stand 2 m away
    for path in sorted((backdrop / "truth/depth").iterdir()):
        depth, alphas = np.load(path), read_image(backdrop / f"truth/alphas/{path.stem}.png")[..., 0]
        assert (depth[alphas == 0] == 0).all()
        assert (depth[alphas == 255] > 0).all()


def test_bad_sizes_are_refused(tmp_path):
    scene = read_scene(find_scene("studio"))
    with pytest.raises(ValueError, match="views"):
        generate_scene(scene, tmp_path, views=1)
    with pytest.raises(ValueError, match="width"):
        generate_scene(scene, tmp_path, width=0)
