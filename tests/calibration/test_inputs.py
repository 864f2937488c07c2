"""Files of the same moments."""

import shutil
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.calibration.inputs import examine_files, file_hashes, left_out_files, list_images, pair_files
from splatkit.errors import DatasetError
from splatkit.io.images import write_image
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from tests.calibration.halls import TARGET


def write(folder, images, clouds):
    for name in images:
        write_image(folder / "images" / f"{name}.png", np.zeros((8, 8, 3), dtype=np.uint8))
    for name in clouds:
        points = np.random.default_rng(0).normal(0, 1, (600, 3)).astype(np.float32)
        write_point_cloud(folder / "clouds" / f"{name}.ply", PointCloud(points))


def test_names_pair_files_and_what_has_no_partner_is_told(tmp_path):
    write(tmp_path, ["a", "b", "c", "e"], ["b", "c", "d", "a"])
    pairs = pair_files([tmp_path / "images"], tmp_path / "clouds")
    assert [pair.name for pair in pairs] == ["a", "b", "c"]
    assert all(pair.images[0].stem == pair.cloud.stem for pair in pairs)
    left_out = left_out_files(pairs, [tmp_path / "images"], tmp_path / "clouds")
    assert [path.name for path in left_out] == ["e.png", "d.ply"]
    for name in ("images/f.avif", "clouds/notes.txt", "clouds/.hidden"):
        (tmp_path / name).touch()
    left_out = left_out_files(pairs, [tmp_path / "images"], tmp_path / "clouds")
    assert [(path.name, reason.split(" of ")[0]) for path, reason in left_out.items()] == [
        ("e.png", "it has no partner"),
        ("d.ply", "it has no partner"),
        ("f.avif", "it is"),
        ("notes.txt", "it is"),
    ]


def test_order_pairs_files_of_other_names(tmp_path):
    write(tmp_path, ["x1", "x2", "x3"], ["7", "8", "9"])
    pairs = pair_files([tmp_path / "images"], tmp_path / "clouds")
    assert [(pair.images[0].stem, pair.cloud.stem) for pair in pairs] == [("x1", "7"), ("x2", "8"), ("x3", "9")]


FORMS = ["image{}", "cam0_{:06d}", "IMG {}.left", "Küche_{}", "{}", "{}.000005000"]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    count=st.integers(4, 24),
    first=st.sampled_from([0, 1, 96]),
    image_form=st.sampled_from(FORMS),
    cloud_form=st.sampled_from(["cloud{}", "lidar_{:04d}", "scan.{}", "Küche_{}", "{}"]),
    letters=st.sampled_from(["NFC", "NFD"]),
    lost=st.booleans(),
)
def test_numbers_pair_files_of_other_names(count, first, image_form, cloud_form, letters, lost, tmp_path_factory):
    """image10 belongs to cloud10, wherever names place them. Source: KITTI_Tutorial #5, cam_lidar_calibration #27."""
    if image_form == FORMS[-1]:
        cloud_form = image_form
    folder = tmp_path_factory.getbasetemp() / "paired"
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("images", "clouds"):
        (folder / kind).mkdir(parents=True)
    numbers = range(first, first + count)
    for number in numbers:
        image, cloud = image_form.format(number), unicodedata.normalize(letters, cloud_form.format(number))
        for path in (folder / "images" / f"{image}.png", folder / "clouds" / f"{cloud}.pcd"):
            path.touch()
            (path.parent / f"._{path.name}").touch()
    if lost:
        (folder / "images" / f"{image_form.format(first)}.png").unlink()
    pairs = pair_files([folder / "images"], folder / "clouds")
    assert [(pair.images[0].stem, unicodedata.normalize("NFC", pair.cloud.stem)) for pair in pairs] == [
        (image_form.format(number), cloud_form.format(number)) for number in numbers[lost:]
    ]
    left_out = left_out_files(pairs, [folder / "images"], folder / "clouds")
    assert len(left_out) == lost


def test_names_of_stamps_keep_their_fraction(tmp_path):
    stamps = [f"1598463045.{k:09d}" for k in (5_000_000, 135_000_000, 265_000_000)] + ["1598463046.005000000"]
    write(tmp_path, stamps[1:], stamps)
    pairs = pair_files([tmp_path / "images"], tmp_path / "clouds")
    assert [pair.name for pair in pairs] == stamps[1:]


def test_other_names_and_counts_are_refused(tmp_path):
    write(tmp_path, ["x1", "x2"], ["7", "8", "9"])
    with pytest.raises(DatasetError, match="2 images and 3 scans"):
        pair_files([tmp_path / "images"], tmp_path / "clouds")


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder of images"):
        list_images(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no image in this folder"):
        list_images(tmp_path / "empty")


def test_a_damaged_scan_is_named(tmp_path):
    write(tmp_path, ["a", "b", "c"], ["a", "b", "c"])
    path = tmp_path / "clouds" / "b.ply"
    path.write_bytes(path.read_bytes()[:200])
    files = pair_files([tmp_path / "images"], tmp_path / "clouds")
    with pytest.raises(DatasetError, match=r"b\.ply"):
        examine_files(files, TARGET, workers=1)


def test_hashes_tell_inputs_apart(tmp_path):
    write(tmp_path, ["a"], ["a"])
    hashes = file_hashes(pair_files([tmp_path / "images"], tmp_path / "clouds"))
    assert len(set(hashes.values())) == len(hashes) == 2
