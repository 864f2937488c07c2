"""`splatkit calibrate surround`: files in, files out, and one line for what is wrong."""

import json

import cv2
import numpy as np
import pytest

from splatkit.calibration.surround.birds_eye import birds_eye
from splatkit.calibration.surround.rig import read_rig, rig_record
from splatkit.cli import main
from splatkit.errors import DatasetError
from splatkit.io.images import read_image, write_image
from splatkit.io.json_files import write_json
from tests.calibration.surround.street import disturbed, off_by


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rig, street):
    out = tmp_path_factory.mktemp("surround")
    for moment in street[0]:
        for name, gray in zip(rig.names, moment.grays, strict=True):
            (out / "images" / name).mkdir(parents=True, exist_ok=True)
            write_image(out / f"images/{name}/{moment.name}.png", np.repeat(gray[..., None], 3, 2).astype(np.uint8))
    write_json(out / "rig.json", rig_record(disturbed(rig, 1.0, 0.02, 2)))
    return out


def command(folder, *options):
    return main(
        ["calibrate", "surround", "--rig", str(folder / "rig.json"), "--images", str(folder / "images"), *options]
    )


def test_a_rig_comes_out_with_pictures_and_a_report(folder, tmp_path, rig, capsys):
    out = tmp_path / "surround"
    (folder / "images/left/9.png").write_bytes((folder / "images/left/0.png").read_bytes())
    (folder / "images/left/0.avif").write_bytes(b"x")
    assert command(folder, "--out", str(out), "--fixed", "front") == 0
    (folder / "images/left/9.png").unlink()
    (folder / "images/left/0.avif").unlink()
    said = capsys.readouterr()
    assert "cameras: 4, timestamps: 2; neighbors agree to 0." in said.out
    assert "files that are not a photograph of every camera are left out: 2, such as" in said.err
    degrees, _ = off_by(read_rig(out / "rig.json"), rig)
    assert degrees.max() < 0.15
    record = json.loads((out / "rig.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    covariance = np.array(record["cameras"][1]["covariance"])
    assert covariance.shape == (6, 6)
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert len(record["timestamps"]) == 2
    assert "The ground from above" in (out / "report.html").read_text()
    assert read_image(out / "ground_after.jpg").shape == read_image(out / "ground_before.jpg").shape


def test_seen_from_above_ahead_is_up_and_left_is_left(rig):
    photographs = [
        np.full((camera.height, camera.width, 3), 60 * (c + 1), np.uint8) for c, camera in enumerate(rig.cameras)
    ]
    picture = birds_eye(rig, photographs, np.eye(4), rig)[..., 0].astype(int)
    height, width = picture.shape
    assert picture[height // 8, width // 2] == 60  # front
    assert picture[height // 2, width // 5] == 120  # left
    assert picture[-height // 8, width // 2] == 180  # back
    assert picture[height // 2, -width // 5] == 240  # right


def test_one_photograph_a_camera_is_a_single_moment(folder, tmp_path, rig):
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in rig.names:
        (flat / f"{name}.png").write_bytes((folder / f"images/{name}/0.png").read_bytes())
    options = ["--rig", str(folder / "rig.json"), "--images", str(flat), "--out", str(tmp_path / "out")]
    assert main(["calibrate", "surround", *options]) == 0
    assert len(json.loads((tmp_path / "out/rig.json").read_text())["timestamps"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fixed", "top"], "--fixed: the rig has no camera 'top'; it has front, left, back, right"),
        (["--fixed", "front", "left", "back", "right"], "--fixed: all cameras are fixed"),
        (["--prior-deg", "0"], "--prior-deg: expected a standard deviation above 0, got 0.0"),
        (["--timestamps", "0"], "--timestamps: expected at least 1, got 0"),
    ],
)
def test_options_out_of_their_range_are_named(folder, tmp_path, capsys, options, message):
    assert command(folder, "--out", str(tmp_path / "out"), *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cameras: cameras.pop(), None),
        (lambda cameras: cameras[1].pop("K"), "left is damaged or incomplete"),
        (lambda cameras: cameras[1].update(T_vehicle_camera=np.zeros((4, 4)).tolist()), "not a rigid 4 x 4 transform"),
        (lambda cameras: cameras[2]["T_vehicle_camera"][2].__setitem__(3, 900.0), "back is 900 m above the ground"),
        (lambda cameras: cameras[1].update(name="front"), "two cameras have the same name"),
        (lambda cameras: cameras.clear(), "expected a list `cameras` of at least two"),
    ],
)
def test_damaged_rigs_are_named(tmp_path, rig, change, message):
    record = json.loads(json.dumps(rig_record(rig)))
    change(record["cameras"])
    write_json(tmp_path / "rig.json", record)
    if message is None:
        assert read_rig(tmp_path / "rig.json").names == ("front", "left", "back")
        return
    with pytest.raises(DatasetError, match=message):
        read_rig(tmp_path / "rig.json")


def test_photographs_that_do_not_belong_are_named(folder, tmp_path, rig, capsys):
    images = tmp_path / "images"
    for name in rig.names:
        (images / name).mkdir(parents=True)
        (images / f"{name}/0.png").write_bytes((folder / f"images/{name}/0.png").read_bytes())
    options = ["calibrate", "surround", "--rig", str(folder / "rig.json"), "--out", str(tmp_path / "out")]
    small = cv2.resize(read_image(images / "back/0.png"), (240, 180))
    write_image(images / "back/0.png", small)
    assert main([*options, "--images", str(images)]) == 2
    assert "240 x 180 px, the rig states 480 x 360" in capsys.readouterr().err
    (images / "back/0.png").rename(images / "back/1.png")
    assert main([*options, "--images", str(images)]) == 2
    assert "no file name is shared by all cameras" in capsys.readouterr().err
    (images / "back/1.png").unlink()
    assert main([*options, "--images", str(images)]) == 2
    assert "no photographs of the camera back" in capsys.readouterr().err
    assert main([*options, "--images", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no such folder of photographs" in capsys.readouterr().err
