"""Each guard against the host, by the defect that it works round."""

import mimetypes
import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
import yaml

from splatkit.optimize.nerfstudio import guards
from splatkit.optimize.nerfstudio.guards import apply_host_guards
from splatkit.optimize.nerfstudio.optimizers import ExponentialDecayConfig


def test_checkpoint_with_numpy_scalars_loads_safely(tmp_path):
    apply_host_guards()
    torch.save({"lr": np.float64(0.5)}, tmp_path / "stock.ckpt")
    assert torch.load(tmp_path / "stock.ckpt", weights_only=True)["lr"] == 0.5


def test_javascript_is_served_as_javascript():
    mimetypes.add_type("text/plain", ".js")
    apply_host_guards()
    assert mimetypes.guess_type("viewer.js")[0] == "text/javascript"


def test_ffmpeg_is_found_where_none_is_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    apply_host_guards()
    path = os.environ["PATH"]
    assert shutil.which("ffmpeg") is not None
    apply_host_guards()
    assert os.environ["PATH"] == path


HOSTILE = """!!python/object:nerfstudio.engine.trainer.TrainerConfig
project_name: !!python/object/apply:os.mkdir ['{}']
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", ["eval", "train"])  # others read through the function of eval
def test_scripts_of_nerfstudio_run_no_code_of_a_hostile_config(script, tmp_path):
    made, config = tmp_path / "made", tmp_path / "config.yml"
    config.write_text(HOSTILE.format(made))
    command = [sys.executable, "-m", f"nerfstudio.scripts.{script}", *(["ges"] if script == "train" else [])]
    done = subprocess.run(
        [*command, "--load-config", str(config)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert "DatasetError: config.yml: refused, it names os.mkdir" in done.stderr
    assert not made.exists()


def test_only_nerfstudio_reads_yaml_otherwise_than_before():
    apply_host_guards()
    load = yaml.load
    apply_host_guards()
    assert yaml.load is load
    assert yaml.load("!!python/name:os.getcwd", Loader=yaml.UnsafeLoader) is os.getcwd
    assert yaml.load("a: 1", Loader=yaml.SafeLoader) == {"a": 1}


def test_classes_of_installed_plugins_are_no_strangers():
    assert {"nerfstudio", "splatkit"} <= guards.plugin_packages()


@pytest.mark.parametrize(
    ("statement", "lines"),
    [
        ("from splatkit.errors import DatasetError; raise DatasetError('a.json: no frames')", 1),
        ("from splatkit.io.transforms_json import read_transforms; read_transforms(Path('none'))", 1),
        ("raise ValueError('a defect')", None),
        ("open('none')", None),
    ],
)
def test_our_errors_are_one_line_and_others_keep_their_traceback(statement, lines):
    program = (
        "from pathlib import Path; from splatkit.optimize.nerfstudio.guards import apply_host_guards; "
        f"apply_host_guards(); apply_host_guards(); {statement}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert ("Traceback" in done.stderr) == (lines is None)
    assert lines is None or len(done.stderr.splitlines()) == lines


def test_guards_never_raise(monkeypatch):
    def broken():
        raise RuntimeError("broken")

    monkeypatch.setattr(guards, "_provide_ffmpeg", broken)
    apply_host_guards()


def test_scheduler_gives_python_floats_from_the_first_rate_to_the_final_one():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = ExponentialDecayConfig(final_share=0.01, max_steps=4).setup().get_scheduler(optimizer, 2.0)
    rates = []
    for _ in range(6):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert all(type(rate) is float for rate in rates)
    np.testing.assert_allclose(rates, [2, 2 * 0.01**0.25, 0.2, 2 * 0.01**0.75, 0.02, 0.02])


def test_model_is_built_without_looking_for_weights_and_keeps_no_collider(trained):
    from nerfstudio.utils.eval_utils import eval_setup

    _, pipeline, _, _ = eval_setup(trained)
    assert pipeline.model.collider is None
    assert not any("lpips" in name for name in pipeline.model.state_dict())


def test_viewer_listens_on_this_machine_only():
    from splatkit.optimize.ges.method import ges_method

    assert ges_method.config.viewer.websocket_host == "127.0.0.1"


@pytest.mark.slow
@pytest.mark.skipif(
    "ges" not in entry_points(group="nerfstudio.method_configs").names, reason="splatkit is not installed"
)
def test_ns_train_knows_the_method():
    command = [sys.executable, "-c", "from nerfstudio.scripts.train import entrypoint; entrypoint()", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert "ges" in shown.stdout.split()


@pytest.mark.slow
def test_broken_native_module_does_not_take_down_the_commands_of_the_host():
    """The host imports every plugin whatever the method, and without a safety net."""
    code = "import sys; sys.modules['splatkit._C'] = None; import splatkit.optimize.ges.method"
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=300, check=True)
