"""Names in a dataset's file find their files however Windows, macOS and Blender wrote them."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.images import write_image
from splatkit.io.transforms_json import read_transforms

POSE = np.eye(4).tolist()
LENS = {"w": 8, "h": 6, "fl_x": 7.0, "fl_y": 7.0, "cx": 4.0, "cy": 3.0}


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((6, 8, 3), 90, np.uint8))


def read(folder: Path, meta: dict):
    (folder / "transforms.json").write_text(json.dumps(meta), encoding="utf-8")
    return read_transforms(folder)


def test_backslashes_of_windows_in_every_path(tmp_path):
    """Source: nerfstudio #874."""
    for folder in ("images", "masks", "normals", "background"):
        save(tmp_path / folder / "0.png")
    (tmp_path / "points.ply").write_text("ply\n")
    frame = {"file_path": "images\\0.png", "mask_path": ".\\masks\\0.png", "transform_matrix": POSE}
    frame |= {"normal_file_path": "normals\\0.png", "background_file_path": "background\\0.png"}
    meta = {**LENS, "ply_file_path": ".\\points.ply", "train_filenames": ["images\\0.png"], "frames": [frame]}
    result = read(tmp_path, meta)
    assert result.frames[0].file_path == "images/0.png"
    assert result.frames[0].mask_path == (tmp_path / "masks/0.png").resolve()
    assert result.frames[0].normal_path == (tmp_path / "normals/0.png").resolve()
    assert result.frames[0].background_path == (tmp_path / "background/0.png").resolve()
    assert result.ply_path == (tmp_path / "points.ply").resolve()
    assert result.splits == {"train": ("images/0.png",)}
    assert result.missing_files == ()
    frame["file_path"] = "D:\\walk\\images\\0.png"
    assert read(tmp_path, {**LENS, "frames": [frame]}).frames[0].file_path == "images/0.png"


NAMES = st.text(st.sampled_from("abé ü(1)ñ日"), min_size=1, max_size=5).filter(lambda name: name.strip() == name)


@settings(max_examples=25, deadline=None)
@given(
    folder=NAMES,
    name=NAMES,
    on_disk=st.sampled_from(["NFC", "NFD"]),
    in_file=st.sampled_from(["NFC", "NFD"]),
    separator=st.sampled_from(["/", "\\"]),
    suffix=st.sampled_from([".png", ""]),
)
def test_names_find_their_files(tmp_path_factory, folder, name, on_disk, in_file, separator, suffix):
    root = tmp_path_factory.mktemp("names")
    save(root / unicodedata.normalize(on_disk, f"{folder}/{name}.png"))
    stated = unicodedata.normalize(in_file, f"{folder}{separator}{name}{suffix}")
    result = read(
        root, {**LENS, "frames": [{"file_path": stated, "transform_matrix": POSE}], "val_filenames": [stated]}
    )
    assert result.frames[0].image_path.is_file()
    assert unicodedata.normalize("NFC", result.frames[0].file_path) == unicodedata.normalize(
        "NFC", f"{folder}/{name}.png"
    )
    assert result.splits["val"] == (result.frames[0].file_path,)


def test_a_name_that_truly_holds_a_backslash_is_taken_as_it_is(tmp_path):
    save(tmp_path / "a\\0.png")
    save(tmp_path / "a/0.png")
    frames = [{"file_path": name, "transform_matrix": POSE} for name in ("a\\0.png", "a/0.png")]
    assert [frame.file_path for frame in read(tmp_path, {**LENS, "frames": frames}).frames] == ["a\\0.png", "a/0.png"]


def test_a_link_that_leads_out_is_named_with_the_cure(tmp_path):
    save(tmp_path / "disk/images/0.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/images").symlink_to(tmp_path / "disk/images")
    meta = {**LENS, "frames": [{"file_path": "images/0.png", "transform_matrix": POSE}]}
    with pytest.raises(DatasetError, match=r"images is a link that leads out .*cp -rL"):
        read(tmp_path / "data", meta)


def test_blender_sets_keep_their_splits(tmp_path):
    """Field of view alone, names without a suffix. Source: nerfstudio #2990, Brush #41."""
    for split, count, angle in (("train", 3, np.pi / 2), ("val", 1, np.pi / 2), ("test", 2, np.pi / 3)):
        frames = [{"file_path": f"./{split}/r_{i}", "transform_matrix": POSE} for i in range(count)]
        for index in range(count):
            save(tmp_path / split / f"r_{index}.png")
        text = json.dumps({"camera_angle_x": angle, "frames": frames})
        (tmp_path / f"transforms_{split}.json").write_text(text)
    result = read_transforms(tmp_path)
    assert {split: len(names) for split, names in result.splits.items()} == {"train": 3, "val": 1, "test": 2}
    assert result.splits["val"] == ("./val/r_0.png",)
    focals = {frame.file_path: frame.camera.fx for frame in result.frames}
    assert focals["./train/r_2.png"] == pytest.approx(4)
    assert focals["./test/r_1.png"] == pytest.approx(4 * np.sqrt(3))
    assert len(read_transforms(tmp_path / "transforms_train.json").frames) == 3


def test_is_fisheye_of_instant_ngp(tmp_path):
    """Source: nerfstudio PR #1385, instant-ngp PR #1147."""
    save(tmp_path / "0.png")
    frames = [{"file_path": "0.png", "transform_matrix": POSE}]
    lens = {"k1": 0.02, "k2": -0.004, "k3": 0.001, "k4": 0.0, "p1": 0, "p2": 0, "is_fisheye": True}
    meta = {**LENS, **lens, "frames": frames}
    camera = read(tmp_path, meta).frames[0].camera
    assert (camera.model, camera.distortion) == ("kannala_brandt", (0.02, -0.004, 0.001, 0.0))
    assert read(tmp_path, meta | {"is_fisheye": False}).frames[0].camera.model == "brown_conrady"
    for more, message in (
        ({"camera_model": "OPENCV"}, "is_fisheye and camera_model OPENCV contradict"),
        ({"p1": 0.1}, "no p1, p2"),
        ({"is_fisheye": False, "ftheta_p0": 0.1}, "ftheta_p0 states is not read"),
    ):
        with pytest.raises(DatasetError, match=message):
            read(tmp_path, meta | more)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_size_that_exif_turned_is_told_with_the_cure(tmp_path, orientation):
    """Source: COLMAP #2565, #1456, openMVS #777."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (6, 8)).save(tmp_path / "0.jpg", exif=exif)
    meta = {**LENS, "frames": [{"file_path": "0.jpg", "transform_matrix": POSE}]}
    with pytest.raises(DatasetError, match=r"0\.jpg.*the image is 6x8 px but the file says w = 8") as refused:
        read(tmp_path, meta)
    assert ("mogrify -auto-orient" in str(refused.value)) == (orientation in (6, 8))
    del meta["w"], meta["h"]
    if orientation in (6, 8):
        with pytest.raises(DatasetError, match=r"cx = 4, cy = 3 do not fit an image of 6x8 px.*mogrify"):
            read(tmp_path, meta)
    else:
        assert len(read(tmp_path, meta).frames) == 1
