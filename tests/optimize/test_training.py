"""Training through the host: it moves, it stops where it should, and an interruption changes nothing."""

import pytest
import torch
from nerfstudio.engine.trainer import Trainer
from nerfstudio.scripts.train import main
from nerfstudio.utils import writer

from splatkit.optimize.nerfstudio.checkpoints import list_checkpoints, read_checkpoint
from splatkit.optimize.nerfstudio.trainer import GesTrainer
from splatkit.splatting.mcmc import McmcSettings


class KilledError(Exception):
    """Stands for a kill of the process."""


def final_state(config):
    return read_checkpoint(list_checkpoints(config.get_checkpoint_dir())[0])


def assert_equal_states(a, b, path=""):
    assert type(a) is type(b), path
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_equal_states(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal_states(x, y, f"{path}/{index}")
    else:
        assert a == b, path


def test_training_moves_every_parameter_and_densifies(make_config):
    config = make_config("moves", 8)
    main(config)
    state = final_state(config)
    assert state["step"] == 7
    model = state["pipeline"]
    assert len(model["_model.gauss_params.means"]) > 150
    for name in ("scales", "opacities", "features_dc", "features_rest", "betas"):
        assert model[f"_model.gauss_params.{name}"].abs().max() > 0


@pytest.mark.parametrize(
    ("killed_at", "strategy", "everything"),
    [(4, "default", False), (8, "default", False), (8, "mcmc", False), (8, "default", True), (8, "default", "depths")],
)
def test_interrupted_and_resumed_run_ends_with_the_same_bits(
    make_config, monkeypatch, switch_on_everything, depth_dataset, killed_at, strategy, everything
):
    def configure(name):
        config = make_config(name, 12)
        config.pipeline.model.strategy = strategy
        config.pipeline.model.mcmc = McmcSettings(warmup_steps=2, refine_every=2, max_splats=200)
        if everything == "depths":  # and images that do not fit the memory
            config.data = depth_dataset
            config.pipeline.datamanager.cache_gib = 3e-5
            config.pipeline.model.refine_rig = True
        return switch_on_everything(config) if everything else config

    whole = configure("whole")
    main(whole)

    broken = configure("broken")
    train_iteration = Trainer.train_iteration

    def killed(self, step):
        if step == killed_at:
            raise KilledError
        return train_iteration(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(GesTrainer, "train_iteration", killed)
        with pytest.raises(KilledError):
            main(broken)
    resumed = configure("broken")
    resumed.load_dir = broken.get_checkpoint_dir()
    main(resumed)
    assert_equal_states(final_state(whole), final_state(resumed))


def test_a_run_that_was_killed_after_its_last_checkpoint_ends_well(make_config):
    config = make_config("first", 4)
    main(config)
    before = final_state(config)
    again = make_config("first", 4)
    again.load_dir = config.get_checkpoint_dir()
    writer.EVENT_WRITERS.clear()
    writer.GLOBAL_BUFFER.clear()  # as in a process of its own
    main(again)
    after = final_state(again)
    assert after["step"] == before["step"] == 3
    assert all(torch.equal(after["pipeline"][name], value) for name, value in before["pipeline"].items())


def test_resumed_run_moves_its_parameters(make_config):
    config = make_config("first", 4)
    main(config)
    before = final_state(config)
    longer = make_config("first", 5)  # a step without densification, so that parameters can be compared
    longer.load_dir = config.get_checkpoint_dir()
    main(longer)
    after = final_state(longer)
    for name, value in before["pipeline"].items():
        if "gauss_params" in name and "features_rest" not in name:
            assert (after["pipeline"][name] - value).abs().max() > 0, name


def test_iterations_count_in_total_and_a_finished_run_stays_as_it_is(make_config):
    config = make_config("done", 4)
    main(config)
    again = make_config("done", 4)
    again.load_dir = config.get_checkpoint_dir()
    main(again)
    assert final_state(again)["step"] == 3


def test_unreadable_newest_checkpoint_falls_back_to_the_one_before_and_says_so(make_config, capsys):
    config = make_config("torn", 7)
    main(config)
    newest, previous = list_checkpoints(config.get_checkpoint_dir())
    newest.write_bytes(newest.read_bytes()[:1000])
    again = make_config("torn", 7)
    again.load_dir = config.get_checkpoint_dir()
    main(again)
    shown = " ".join(capsys.readouterr().out.split())
    assert "taking the one before it" in shown
    assert f"Resuming after step {int(previous.stem[5:])}" in shown


def test_learning_rate_of_means_follows_the_scene_and_the_length_of_the_run(make_config):
    config = make_config("rates", 4)
    rate = config.optimizers["means"]["optimizer"].lr
    main(config)
    group = final_state(config)["optimizers"]["means"]["param_groups"][0]
    extent = 7 * 1.1 / (1 + 0.3**2) ** 0.5  # the cameras stand on a circle of radius 7 / |(1, 0, 0.3)|
    shortest = (30_000 / 500) ** 0.6  # times the rate of a long run
    assert group["initial_lr"] == pytest.approx(rate * extent * shortest, rel=1e-4)
    assert group["lr"] == pytest.approx(rate * extent * shortest * 0.01, rel=1e-4)
