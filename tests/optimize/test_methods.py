"""The registry of methods: records agree with what nerfstudio is told, and one more is all that the rest needs."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.optimize.ges.record import GES
from splatkit.optimize.load_run import load_run, load_splat_run
from splatkit.optimize.methods import DEFAULT_METHOD, METHODS
from splatkit.optimize.rays.records import SIMPLEX_NERF
from splatkit.optimize.train_settings import TrainSettings
from splatkit.pipeline.config import read_pipeline
from splatkit.pipeline.estimates import estimate_steps

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

LIGHT = """
import sys
import splatkit.optimize.train_settings
print(*sorted({"nerfstudio", "torch", "numpy", "open3d"} & set(sys.modules)))
"""


def test_nerfstudio_finds_the_methods_of_the_registry():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = project["entry-points"]["nerfstudio.method_configs"]
    assert stated == {name: f"splatkit.optimize.{method.specification}" for name, method in METHODS.items()}


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_records_are_what_nerfstudio_is_told(method):
    config = method.load_specification().config
    assert config.method_name == method.name
    if not torch.cuda.is_available():
        assert config.max_num_iterations == method.steps
    for option in (*method.seed_options, *filter(None, [method.cost.splats_option])):
        value = config
        for name in option.replace("-", "_").split("."):
            value = getattr(value, name)
        assert isinstance(value, int)


def test_what_training_takes_is_read_without_nerfstudio():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


@pytest.fixture
def pipeline_of(tmp_path):
    """A function from a method to a pipeline that trains by it and exports splats, or only trains."""
    (tmp_path / "data").mkdir()

    def pipeline_of(method, tables=""):
        path = tmp_path / "way.toml"
        path.write_text(f"out = 'x'\n[optimize]\ndata = 'data'\nmethod = '{method}'\n{tables}")
        return read_pipeline(path)

    return pipeline_of


def test_a_record_more_is_a_method_for_settings_pipelines_and_estimates(monkeypatch, pipeline_of):
    cost = dataclasses.replace(GES.cost, step_s=1.0, splats_option="model.count")
    flat = dataclasses.replace(GES, name="flat", steps=100, cost=cost, seed_options=("model.grain",))
    monkeypatch.setitem(METHODS, "flat", flat)
    settings = TrainSettings(Path("scene"), method="flat", seed=3)
    assert settings.folder == Path("outputs/field/flat/run")
    assert "--model.grain 3 --machine.seed 3" in " ".join(settings.words())
    plain = estimate_steps(pipeline_of("flat", "[export.splats]\n"))["optimize"]
    assert plain.cpu_s > 100
    assert estimate_steps(pipeline_of("flat", "model.count = 1_000_000\n"))["optimize"].peak_mb > plain.peak_mb + 1000
    assert DEFAULT_METHOD == "ges"


def test_a_field_takes_its_own_steps_where_the_file_names_none(pipeline_of):
    usual = estimate_steps(pipeline_of("simplex-nerf"))["optimize"]
    assert usual == estimate_steps(pipeline_of("simplex-nerf", f"steps = {SIMPLEX_NERF.steps}\n"))["optimize"]


def test_runs_are_read_by_the_loader_of_their_method(trained, monkeypatch):
    copy = trained.with_name("copy.yml")
    copy.write_text(trained.read_text().replace("method_name: ges", "method_name: flat"))
    with pytest.raises(DatasetError, match=r"copy\.yml: a run of the method flat; only runs of ges, simplex-nerf"):
        load_run(copy)
    monkeypatch.setitem(METHODS, "flat", dataclasses.replace(GES, name="flat"))
    assert len(load_splat_run(copy).splats) > 0
    monkeypatch.setitem(METHODS, "flat", dataclasses.replace(GES, name="flat", gives="density"))
    with pytest.raises(DatasetError, match="flat has no splats"):
        load_splat_run(copy)
