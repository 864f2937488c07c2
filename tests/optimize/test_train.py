"""Training as a function: what `ns-train` would be told, and that it is done in this process."""

from pathlib import Path

import pytest

from splatkit.errors import SettingsError
from splatkit.optimize.train import parse_words, train
from splatkit.optimize.train_settings import TrainSettings

SMALL = {"pipeline": {"model": {"densification": {"max-splats": 200}}}, "steps-per-eval-image": 0}


def test_settings_are_the_words_of_ns_train():
    settings = TrainSettings(
        Path("scene"), Path("runs"), steps=20, seed=3, options=SMALL, dataparser_options={"allow-outside": True}
    )
    config = parse_words(settings.words())
    assert config.get_base_dir() == settings.folder == Path("runs/field/ges/run")
    assert config.max_num_iterations == 20
    assert config.machine.seed == config.pipeline.model.seed == 3
    assert config.pipeline.model.densification.max_splats == 200
    assert config.pipeline.datamanager.dataparser.allow_outside


def test_a_run_is_trained_to_its_end(tiny_dataset, tmp_path):
    options = {**SMALL, "logging.local-writer.enable": False}
    trained = train(TrainSettings(tiny_dataset, tmp_path, steps=3, options=options))
    assert trained.config_path == tmp_path / "field/ges/run/config.yml"
    assert trained.config_path.is_file()
    assert [path.name for path in (trained.config_path.parent / "nerfstudio_models").iterdir()] == [
        "step-000000002.ckpt"
    ]
    assert trained.cpu_s > 0


@pytest.mark.parametrize(
    ("more", "message"),
    [({"method": "gas"}, "method: expected one of ges"), ({"steps": 0}, "steps: expected a whole number from 1")],
)
def test_settings_that_make_no_sense_are_refused(more, message):
    with pytest.raises(SettingsError, match=message):
        TrainSettings(Path("scene"), **more)


def test_unknown_options_are_refused_in_one_line():
    with pytest.raises(SettingsError, match="no-such-option") as caught:
        parse_words(TrainSettings(Path("scene"), options={"no-such-option": 1}).words())
    assert "\n" not in str(caught.value)
