"""The TOML file of a pipeline: what it means, and what is said about mistakes in it."""

import pytest

from splatkit.errors import SettingsError
from splatkit.pipeline.config import read_pipeline
from splatkit.pipeline.training import goes_on

WHOLE = """
out = "products"
[scene]
name = "courtyard"
board-poses = 3
[calibrate.left]
images = "{scene}/boards/left/images"
clouds = "{scene}/boards/left/clouds"
board = "7x5:0.095"
[capture.images]
images = "photographs"
undistort = true
[capture.lidar]
scans = "{scene}/lidar"
dataset = "{capture.images}"
calibration = ["{calibrate.left}/calibration.json"]
[optimize]
steps = 20
seed = 3
pipeline.model.densification.max-splats = 500
pipeline.model.use-bilateral-grid = true
[optimize.splatkit-data]
allow-outside = true
[export.mesh]
[export.splats]
format = "sog"
[export.points]
format = "laz"
count = 1000
[export.colmap]
"""


@pytest.fixture
def write(tmp_path):
    """A function that writes a pipeline's file and returns its path."""
    (tmp_path / "photographs").mkdir()

    def write(text):
        path = tmp_path / "capture.toml"
        path.write_text(text)
        return path

    return write


def test_tables_are_commands_and_their_keys_options(write, tmp_path):
    pipeline = read_pipeline(write(WHOLE))
    products = tmp_path / "products"
    words = {step.name: " ".join(step.words) for step in pipeline.steps}
    assert words["scene"] == f"scene courtyard --board-poses 3 --out {products}/scene"
    assert words["calibrate.left"].startswith(f"calibrate run --images {products}/scene/boards/left/images --clouds")
    assert words["calibrate.left"].endswith(f"--out {products}/calibrate/left")
    assert f"--images {tmp_path}/photographs --undistort --out" in words["capture.images"]
    assert f"--calibration {products}/calibrate/left/calibration.json" in words["capture.lidar"]
    run = f"{products}/optimize/field/ges/run/config.yml"
    assert f"--load-config {run}" in words["export.mesh"]
    assert words["export.splats"].endswith(f"--out {products}/export/splats.sog")
    assert words["export.points"].endswith(f"--count 1000 --load-config {run} --out {products}/export/points.laz")
    assert words["export.colmap"] == f"export colmap --data {products}/capture/lidar --out {products}/export/colmap"


def test_a_walk_has_a_command_of_its_own(write, tmp_path):
    table = """
    out = "products"
    [scene]
    name = "courtyard"
    [calibrate.walk]
    dataset = "{scene}"
    scans = "{scene}/lidar"
    trajectory = "{scene}/trajectory.txt"
    cameras = ["left", "right"]
    """
    step = read_pipeline(write(table)).find("calibrate.walk")
    assert step is not None
    scene = f"{tmp_path}/products/scene"
    words = " ".join(step.words)
    assert words.startswith(
        f"calibrate walk --dataset {scene} --scans {scene}/lidar --trajectory {scene}/trajectory.txt"
    )
    assert "--cameras left right" in words


def test_training_takes_the_last_dataset_and_any_option_of_ns_train(write, tmp_path):
    step = read_pipeline(write(WHOLE)).find("optimize")
    assert step is not None
    words = " ".join(step.words)
    assert words.startswith(f"ges --data {tmp_path}/products/capture/lidar --output-dir")
    assert "--max-num-iterations 20 --pipeline.model.seed 3 --machine.seed 3" in words
    assert "--pipeline.model.densification.max-splats 500 --pipeline.model.use-bilateral-grid True" in words
    assert words.endswith("splatkit-data --allow-outside True")
    assert step.needs == ("capture.lidar",)
    (step.out / "nerfstudio_models").mkdir(parents=True)
    assert goes_on(step.words, step.out) == step.words
    (step.out / "nerfstudio_models/step-000000010.ckpt").touch()
    resumed = " ".join(goes_on(step.words, step.out))
    assert f"--load-dir {step.out}/nerfstudio_models splatkit-data" in resumed


def test_stereo_takes_the_last_dataset(write, tmp_path):
    pipeline = read_pipeline(write(WHOLE.replace("[optimize]", '[capture.stereo]\nstereo = "high"\n[optimize]')))
    step, training = pipeline.find("capture.stereo"), pipeline.find("optimize")
    assert step is not None
    assert training is not None
    products = tmp_path / "products/capture"
    words = f"capture stereo --stereo high --dataset {products}/lidar --out {products}/stereo"
    assert sorted(step.words) == sorted(words.split())
    assert training.needs == ("capture.stereo",)
    with pytest.raises(SettingsError, match="no dataset"):
        read_pipeline(write("out = 'x'\n[capture.stereo]\n"))


def test_steps_are_in_the_order_of_the_stages_whatever_the_order_in_the_file(write):
    backwards = "\n[".join(["out = 'x'", *reversed(WHOLE.split("\n[")[1:])])
    with pytest.raises(SettingsError, match=r"no step 'capture\.images' before this one"):
        read_pipeline(write(backwards))  # within a stage the order is that of the file
    names = [step.name for step in read_pipeline(write(WHOLE)).steps]
    assert names == [
        "scene",
        "calibrate.left",
        "capture.images",
        "capture.lidar",
        "optimize",
        "export.mesh",
        "export.splats",
        "export.points",
        "export.colmap",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no output folder"),
        ("out = 'x'", "no step is asked for"),
        ("out = 'x'\n[scene", "not TOML"),
        ("out = 'x'\n[train]\n", "unknown table or key 'train'"),
        ("out = 'x'\nscene = 3\n", "expected a table"),
        ("out = 'x'\n[scene]\nname = 'studio'\nview = 3\n", "no option view; did you mean views?"),
        ("out = 'x'\n[scene]\nname = 'studio'\nviews = 'many'\n", r"\[scene\]: .*many"),
        ("out = 'x'\n[scene]\nname = 'studio'\nout = 'y'\n", "out cannot be set here"),
        ("out = 'x'\n[scene]\nname = 'studio'\nviews = {a = 1}\n", "expected a value or a list"),
        ("out = 'x'\n[scene]\n", r"\[scene\]: name must be set"),
        ("out = 'x'\n[capture.images]\nimages = 'nowhere'\n", "nowhere: no such file or folder"),
        ("out = 'x'\n[capture.images]\nimages = 'photographs'\nundistort = 1\n", "expected true or false"),
        ("out = 'x'\n[capture.video]\nimages = 'photographs'\n", "no such step"),
        ("out = 'x'\n[capture.images]\nimages = '{scene}'\n", "no step 'scene' before this one"),
        ("out = 'x'\n[optimize]\nsteps = 3\n", "no dataset"),
        ("out = 'x'\n[optimize]\ndata = 'photographs'\nmethod = 'gas'\n", "expected one of ges"),
        ("out = 'x'\n[optimize]\ndata = 'photographs'\nsteps = 0\n", "whole number from 1"),
        ("out = 'x'\n[export.mesh]\n", "no run, and no depths of stereo"),
        ("out = 'x'\n[export.points]\nload-config = 'photographs'\nformat = 'xyz'\n", "expected one of ply, las, laz"),
        ("out = 'x'\n[optimize]\ndata = 'photographs'\nmethod = 'simplex-nerf'\n[export.splats]\n", "has no splats"),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(write, text, message):
    with pytest.raises((SettingsError, FileNotFoundError), match=message) as caught:
        read_pipeline(write(text))
    assert "\n" not in str(caught.value)
    assert "capture.toml" in str(caught.value)


def test_a_missing_file_and_another_output_folder(write, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the TOML file"):
        read_pipeline(tmp_path / "none.toml")
    pipeline = read_pipeline(write("[scene]\nname = 'studio'\n"), tmp_path / "elsewhere")
    assert pipeline.steps[0].out == tmp_path / "elsewhere/scene"


def test_meshes_and_points_are_made_of_the_dataset_where_nothing_is_trained(write, tmp_path):
    products = tmp_path / "products"
    text = "out = 'products'\n[capture.images]\nimages = 'photographs'\n[export.mesh]\n[export.points]\ncount = 10\n"
    words = {step.name: " ".join(step.words) for step in read_pipeline(write(text)).steps}
    dataset = f"{products}/capture/images"
    assert words["export.mesh"] == f"export mesh --dataset {dataset} --out {products}/export/mesh"
    assert words["export.points"] == f"export points --count 10 --dataset {dataset} --out {products}/export/points.ply"
    given = text.replace("[export.mesh]", "[optimize]\nsteps = 3\n[export.mesh]\ndataset = '{capture.images}'")
    step = read_pipeline(write(given)).find("export.mesh")
    assert step is not None
    assert step.needs == ("capture.images",)
    assert "--load-config" not in step.words
    with pytest.raises(SettingsError, match="no run, and no depths of stereo"):
        read_pipeline(write(text.replace("[export.mesh]", "stereo = 'off'\n[export.mesh]")))


def test_what_a_lidar_measured_alone_is_too_sparse_for_a_mesh(write):
    text = WHOLE.split("[optimize]")[0]
    mesh = read_pipeline(write(text + "[export.mesh]\n")).find("export.mesh")
    assert mesh is not None
    assert mesh.needs == ("capture.lidar",)
    with pytest.raises(SettingsError, match="no run, and no depths of stereo"):
        read_pipeline(write(text + "stereo = 'off'\n[export.mesh]\n"))


def test_a_recording_needs_no_more_words(tmp_path):
    """Photographs, scans, times and extrinsics come from the recording; poses from the photographs."""
    (tmp_path / "walk.mcap").touch()
    (tmp_path / "p.toml").write_text(
        'out = "out"\n[capture.recording]\nrecording = "walk.mcap"\n[capture.images]\n[capture.lidar]\n[optimize]\n'
    )
    recording, images, lidar, training = read_pipeline(tmp_path / "p.toml").steps
    options = dict(zip(images.words[2::2], images.words[3::2], strict=True))
    assert options["--images"] == str(recording.out / "images")
    assert (options["--cameras"], options["--matching"]) == ("folder", "exhaustive")
    assert lidar.words[2:6] == ("--recording", str(recording.out), "--dataset", str(images.out))
    assert lidar.needs == ("capture.images", "capture.recording")
    assert training.needs == ("capture.lidar",)


def test_a_recording_alone_is_no_dataset(tmp_path):
    (tmp_path / "walk.mcap").touch()
    (tmp_path / "p.toml").write_text('out = "out"\n[capture.recording]\nrecording = "walk.mcap"\n[optimize]\n')
    with pytest.raises(SettingsError, match="no dataset"):
        read_pipeline(tmp_path / "p.toml")
