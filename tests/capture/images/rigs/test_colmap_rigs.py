"""Rigs and frames of COLMAP models: those that pycolmap writes, and bytes by the format's description."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.colmap import read_colmap
from splatkit.errors import DatasetError
from splatkit.io.images import write_image

IMAGES = {11: ((21, 3, "a/1.png"), (22, 5, "b/1.png")), 12: ((23, 9, "alone.png"),), 13: ((24, 5, "b/2.png"),)}
RIG_OF = {11: 7, 12: 8, 13: 7}


def sensor(number: int) -> pycolmap.sensor_t:
    return pycolmap.sensor_t(pycolmap.SensorType.CAMERA, number)


def pose(seed: int) -> pycolmap.Rigid3d:
    rng = np.random.default_rng(seed)
    rotation = Rotation.random(random_state=seed).as_quat()
    return pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), rng.normal(size=3))


def rig(number: int, reference: int, others: dict[int, pycolmap.Rigid3d]) -> pycolmap.Rig:
    out = pycolmap.Rig()
    out.rig_id = number
    out.add_ref_sensor(sensor(reference))
    for other, T in others.items():
        out.add_sensor(sensor(other), T)
    return out


@pytest.fixture
def model(tmp_path) -> Path:
    """Camera 3 and 5 on one body, with a frame that camera 3 is not in; camera 9 alone."""
    out = pycolmap.Reconstruction()
    for number in (3, 5, 9):
        out.add_camera(pycolmap.Camera.create_from_model_name(number, "PINHOLE", 50.0, 64, 48))
    out.add_rig(rig(7, 3, {5: pose(0)}))
    out.add_rig(rig(8, 9, {}))
    for number, listed in IMAGES.items():
        frame = pycolmap.Frame()
        frame.frame_id, frame.rig_id = number, RIG_OF[number]
        images = []
        for image_id, camera_id, name in listed:
            image = pycolmap.Image(name=name, camera_id=camera_id, image_id=image_id)
            image.frame_id = number
            frame.add_data_id(image.data_id)
            images.append(image)
            write_image(tmp_path / "images" / name, np.zeros((48, 64, 3), np.uint8))
        frame.rig_from_world = pose(number)
        out.add_frame(frame)
        for image in images:
            out.add_image(image)
        out.register_frame(number)
    folder = tmp_path / "sparse"
    (folder / "text").mkdir(parents=True)
    out.write_binary(folder)
    out.write_text(folder / "text")
    return folder


def read(folder: Path, model: Path):
    return read_colmap(folder, model.parent / "images")


@pytest.mark.parametrize("form", ["", "text"])
def test_what_was_taken_together_is_known(model, form):
    given = read(model / form, model)
    assert given.rig is not None
    assert given.left_out == ()
    mounts = {name: (mount.camera, mount.frame) for name, mount in given.rig.mounts.items()}
    first, second = "frame_000011", "frame_000013"
    assert mounts == {"a/1.png": ("a", first), "b/1.png": ("b", first), "b/2.png": ("b", second)}
    poses = {camera.name: camera.T_camera_rig for camera in given.rig.cameras}
    np.testing.assert_allclose(poses["a"], np.eye(4))
    assert poses["b"] is not None
    np.testing.assert_allclose(poses["b"][:3], pose(0).matrix(), atol=1e-12)


def test_models_of_older_versions_have_none(model):
    for name in ("rigs.bin", "frames.bin"):
        (model / name).unlink()
    assert read(model, model).rig is None


def test_bytes_are_those_of_the_description(model):
    """Count; number, sensors; kind and number of the reference; kind, number, 1 and the pose of each other."""
    T = pose(0)
    values = (*np.roll(T.rotation.quat, 1), *T.translation)
    written = struct.pack("<QII iI iIB7d", 2, 7, 2, 0, 3, 0, 5, 1, *values) + struct.pack("<II iI", 8, 1, 0, 9)
    assert (model / "rigs.bin").read_bytes() == written


def test_rigs_that_contradict_the_images_are_left_out_and_named(model):
    data = bytearray((model / "rigs.bin").read_bytes())
    struct.pack_into("<d", data, 8 + 8 + 8 + 9 + 4 * 8, 9.0)  # tx of camera 5
    (model / "rigs.bin").write_bytes(data)
    given = read(model, model)
    assert given.rig is None
    assert given.left_out == ("rigs.bin says other poses than the images have: cameras count one by one",)


@pytest.mark.parametrize("name", ["rigs", "frames"])
@pytest.mark.parametrize("form", [".bin", ".txt"])
def test_a_damaged_file_is_one_line_that_names_it(model, name, form):
    folder = model if form == ".bin" else model / "text"
    path = folder / f"{name}{form}"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 7])
    with pytest.raises(DatasetError, match=rf"{name}\{form}: damaged or cut short .*delete rigs and frames") as caught:
        read(folder, model)
    assert "\n" not in str(caught.value)


def outcome(folder: Path, model: Path) -> tuple[str, set[str]]:
    """The error, if there is one, else which images are of a rig."""
    try:
        given = read(folder, model)
    except DatasetError as error:
        return str(error), set()
    return "", set() if given.rig is None else set(given.rig.mounts)


@pytest.mark.parametrize("form", ["", "text"])
def test_no_damage_goes_unnamed(model, tmp_path, form):
    """Whatever bytes change: a rig, none and a sentence, or one line."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "damaged"
    shutil.copytree(model / form, folder)
    for name in ("rigs", "frames"):
        path = folder / f"{name}{'.txt' if form else '.bin'}"
        whole = path.read_bytes()
        for _ in range(50):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), rng.integers(1, 4)):
                data[place] = rng.integers(256)
            path.write_bytes(data)
            said, mounted = outcome(folder, model)
            assert "\n" not in said
            assert not said or str(folder) in said
            assert mounted <= {"a/1.png", "b/1.png", "b/2.png"}
        path.write_bytes(whole)
