"""A generated scene, trained and exported as a user does it, at a size for tests."""

import contextlib
import json
import shutil

import numpy as np
import pytest
import torch

from splatkit.cli import main
from splatkit.io.splats import read_splats
from splatkit.optimize.load_run import load_run
from splatkit.optimize.train import make_config, train_config
from splatkit.runs.views import intrinsics_of, viewmat_of
from splatkit.splatting.rendering import render_splats
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a scene, a run and the export of its mesh."""
    out = tmp_path_factory.mktemp("made")
    generate_scene(read_scene(find_scene("studio")), out / "scene", 96, 72, 16, 0)
    config_path = train_config(make_config(out / "scene", out / "runs", "studio", 150)).config_path
    assert main(["export", "mesh", "--load-config", str(config_path), "--out", str(out / "export")]) == 0
    return out


@pytest.fixture
def config_path(made):
    """Of the run."""
    return made / "runs/studio/ges/run/config.yml"


def test_mesh_lies_on_the_scene_in_its_own_frame(made):
    export = json.loads((made / "export/export.json").read_text())
    truth = json.loads((made / "scene/truth/scene.json").read_text())
    low, high = np.array(export["mesh"]["bounds"])
    slack = 0.1 * truth["diagonal"]  # after 150 steps splats still stick out
    assert (low > np.array(truth["bounds"][0]) - slack).all()
    assert (high < np.array(truth["bounds"][1]) + slack).all()
    assert {path.name for path in (made / "export").iterdir()} == {
        "mesh.ply",
        "mesh.obj",
        "mesh.mtl",
        "mesh.jpg",
        "mesh.glb",
        "splats.ply",
        "export.json",
        "report.html",
        "turntable.mp4",
        "turntable.png",
    }


def test_exported_splats_render_like_the_run(config_path, tmp_path):
    out = tmp_path / "splats.ply"
    assert main(["export", "splats", "--load-config", str(config_path), "--out", str(out)]) == 0
    run = load_run(config_path)
    s = {name: torch.from_numpy(value) for name, value in vars(read_splats(out)).items()}
    view = run.eval_views[0]
    sh = torch.cat([s["sh0"][:, None], s["shN"]], 1)
    rendering = render_splats(
        s["means"],
        s["quats"],
        s["scales"],
        s["opacities"],
        s["betas"],
        sh,
        viewmat_of(view.posed)[None],
        intrinsics_of(view.rendered)[None],
        view.rendered.width,
        view.rendered.height,
        sh_degree=run.sh_degree,
    )
    expected = run.render(view.posed)
    # A splat whose alpha sits on the 1/255 cut-off may fall on either side after the round trip through float32.
    assert (rendering.colors - expected.colors).abs().max() < 1.5 / 255
    assert (rendering.colors - expected.colors).abs().mean() < 1e-5


@pytest.mark.parametrize("what", ["mesh", "splats"])
def test_bad_input_is_one_line_exit_2_and_nothing_is_left(config_path, tmp_path, capsys, what):
    out = tmp_path / ("out" if what == "mesh" else "out.ply")
    broken = tmp_path / "broken"
    shutil.copytree(config_path.parent, broken)
    (checkpoint,) = (broken / "nerfstudio_models").iterdir()
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    config = (broken / "config.yml").read_text().replace(str(config_path.parent), str(broken))
    (broken / "config.yml").write_text(config)
    for path, word in ((tmp_path / "nowhere/config.yml", "no such file"), (broken / "config.yml", "checkpoint")):
        assert main(["export", what, "--load-config", str(path), "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert word in error
        assert sorted(p.name for p in tmp_path.iterdir()) == ["broken"]


def test_an_existing_export_is_not_touched(config_path, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/keep.txt").write_text("precious")
    assert main(["export", "mesh", "--load-config", str(config_path), "--out", str(tmp_path / "mine")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine/keep.txt").read_text() == "precious"
    with contextlib.suppress(SystemExit):
        main(["export", "mesh", "--load-config", str(config_path), "--out", str(tmp_path / "x"), "--voxel-size", "-1"])
    assert "voxel_size" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
