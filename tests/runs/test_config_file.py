"""config.yml is data: it builds configurations and paths, and whatever else it names is refused by name."""

import copy
import dataclasses
import enum
from pathlib import Path

import pytest
import yaml
from nerfstudio.configs.method_configs import all_methods
from nerfstudio.engine.trainer import TrainerConfig

from splatkit.errors import DatasetError
from splatkit.runs.config_file import load_config

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("method", sorted(all_methods))
def test_configurations_of_every_method_are_read_as_they_were_written(method: str):
    text = yaml.dump(all_methods[method])
    assert yaml.dump(load_config(text, "config.yml")) == text


@pytest.mark.parametrize("method", ["ges", "simplex-nerf", "simplex-sdf"])
def test_runs_of_version_0_1_0_are_read_with_todays_classes(method: str):
    config = load_config((DATA / f"config_0.1.0_{method.replace('-', '_')}.yml").read_text(), "config.yml")
    today = all_methods[method]
    assert isinstance(config, TrainerConfig)
    assert config.method_name == method
    assert config._target is today._target
    assert type(config.pipeline.model) is type(today.pipeline.model)
    assert config.pipeline.model._target is today.pipeline.model._target
    assert config.pipeline.datamanager.data == Path("dataset")
    for group, parts in today.optimizers.items():
        assert type(config.optimizers[group]["optimizer"]) is type(parts["optimizer"])


def test_settings_that_an_older_version_did_not_know_have_their_defaults():
    old = copy.deepcopy(all_methods["ges"])
    del vars(old.pipeline.model)["depth"]
    config = load_config(yaml.dump(old), "config.yml")
    assert config.pipeline.model.depth == all_methods["ges"].pipeline.model.depth


HOSTILE = {
    "os.system": "!!python/object/apply:os.system ['touch %s']",
    "posix.system": "!!python/object/apply:posix.system ['touch %s']",
    "subprocess.Popen": "!!python/object/apply:subprocess.Popen [[touch, '%s']]",
    "builtins.eval": "!!python/object/apply:builtins.eval [\"open('%s', 'w')\"]",
    "object/new:type": "!!python/object/new:type {args: [X, !!python/tuple [], {'%s': 1}]}",
    "module:os": "!!python/module:os '%s'",
    "nerfstudio.utils.scripts.run_command": "!!python/object/apply:nerfstudio.utils.scripts.run_command ['touch %s']",
    "nerfstudio.scripts.train.main": "!!python/name:nerfstudio.scripts.train.main '%s'",
    "nerfstudio.utils.scripts.subprocess": "!!python/name:nerfstudio.utils.scripts.subprocess '%s'",
    "nerfstudio.engine.trainer.Path": "!!python/name:nerfstudio.engine.trainer.Path '%s'",
    "torch.optim.adam.Tensor": "!!python/name:torch.optim.adam.Tensor '%s'",
    "calls nerfstudio.engine.trainer.Trainer": "!!python/object/apply:nerfstudio.engine.trainer.Trainer ['%s']",
    "replaces setup": "!!python/object:nerfstudio.engine.trainer.TrainerConfig {setup: '%s'}",
    "_operator.getitem": "!!python/object/apply:_operator.getitem [{'%s': 1}, '%s']",
    "_operator.methodcaller": "!!python/object/apply:_operator.methodcaller ['%s']",
    "splatkit.runs.config_file.Path": "!!python/object:splatkit.runs.config_file.Path {'%s': 1}",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_is_refused_by_name_and_runs_nothing(name: str, tmp_path: Path):
    made = tmp_path / "made"
    payload = HOSTILE[name].replace("%s", str(made))
    text = f"!!python/object:nerfstudio.engine.trainer.TrainerConfig\nmethod_name: {payload}\n"
    expected = name.rsplit(":", 1)[-1] if name.startswith(("python", "object", "module")) else name
    with pytest.raises(DatasetError, match=r"run/config\.yml: .*" + expected.replace(".", r"\.")):
        load_config(text, "run/config.yml")
    assert not made.exists()


def test_what_this_version_does_not_have_says_how_to_train_on():
    text = "!!python/object:splatkit.optimize.gone.GoneConfig {}"
    with pytest.raises(DatasetError, match=r"splatkit\.optimize\.gone\.GoneConfig.*ns-train METHOD --load-dir"):
        load_config(text, "config.yml")


def test_settings_of_a_newer_version_are_named():
    text = "!!python/object:splatkit.splatting.kernel.ShapeSettings {kernel: exact, sharpness: 3}"
    with pytest.raises(DatasetError, match="has no setting sharpness"):
        load_config(text, "config.yml")


@pytest.mark.parametrize(
    "text", ["a: [", "\t- x: *y", "!!python/tuple {a: 1}", "!!python/object:x", "- !!int nonsense"]
)
def test_damage_is_one_line_that_names_the_file(text: str):
    with pytest.raises(DatasetError, match=r"^config\.yml: [^\n]*$"):
        load_config(text, "config.yml")


def test_packages_of_other_plugins_are_built_where_the_caller_allows_them():
    text = "!!python/object/apply:tests.runs.test_config_file.Color [1]"
    with pytest.raises(DatasetError, match=r"tests\.runs\.test_config_file\.Color"):
        load_config(text, "config.yml")
    assert load_config(text, "config.yml", frozenset({"tests"})) is Color.RED


class Color(enum.Enum):
    """Of a plugin that somebody else wrote."""

    RED = 1


def test_objects_that_are_named_twice_stay_one():
    shared = dataclasses.replace(all_methods["ges"].pipeline.model.shape)
    first, second = load_config(yaml.dump([shared, shared]), "config.yml")
    assert first is second
    assert first == shared
