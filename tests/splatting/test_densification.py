import pytest
import torch
from torch.nn import Parameter

from splatkit.splatting.densification import (
    RESET_OPACITY_FACTOR,
    Densification,
    DensificationSettings,
    replace_splats,
)
from splatkit.splatting.kernels.table import ShapeSettings
from splatkit.splatting.seeding import splats_from_points
from splatkit.splatting.splats import Splats

SETTINGS = DensificationSettings(
    warmup_steps=2, refine_every=2, stop_share=0.5, grad_threshold=1.0, split_size=0.1, max_splats=100, reset_every=10
)


def training(n=40, settings=SETTINGS):
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(n, 3, generator=generator)
    splats = splats_from_points(points, torch.rand(n, 3, generator=generator), 1, 1000, generator)
    splats = Splats(**{**vars(splats), "opacities": torch.full((n,), 0.5)})
    parameters = {name: Parameter(value) for name, value in splats.to_raw().items()}
    optimizers = {name: torch.optim.Adam([p], lr=0.01) for name, p in parameters.items()}
    step(parameters, optimizers)
    return parameters, optimizers, Densification(settings, extent=1.0, seed=0)


def step(parameters, optimizers):
    sum(p.square().sum() for p in parameters.values()).backward()
    for optimizer in optimizers.values():
        optimizer.step()
        optimizer.zero_grad()


def gradients(n, where, norm=10.0):
    """Gradients of a 2x2 px image, where half the image is the unit: their norms are the numbers given."""
    out = torch.zeros(n, 2)
    out[where, 0] = norm
    return out


def gather(strategy, n, where, norm=10.0):
    strategy.gather(gradients(n, where, norm), torch.ones(n, 2), 2, 2)


def assert_moments_fit(parameters, optimizers):
    for name, optimizer in optimizers.items():
        assert optimizer.param_groups[0]["params"] == [parameters[name]]
        assert list(optimizer.state) == [parameters[name]]
        assert optimizer.state[parameters[name]]["exp_avg"].shape == parameters[name].shape
    step(parameters, optimizers)


def test_small_splats_are_cloned_and_large_ones_split():
    parameters, optimizers, strategy = training()
    parameters["scales"].data[:] = torch.tensor(0.01).log()
    parameters["scales"].data[5] = torch.tensor(0.5).log()
    parameters["opacities"].data[:] = 0
    before = {name: p.detach().clone() for name, p in parameters.items()}
    gather(strategy, 40, [3, 5])
    report = strategy.refine(2, 100, parameters, optimizers)
    assert (report.cloned, report.split, report.pruned, report.count) == (1, 1, 0, 42)
    kept = [i for i in range(40) if i != 5]
    assert torch.equal(parameters["means"][:39], before["means"][kept])
    assert torch.equal(parameters["means"][39], before["means"][3])
    torch.testing.assert_close(parameters["scales"][40:].exp(), torch.full((2, 3), 0.5 / 1.6))
    assert (parameters["means"][40:] - before["means"][5]).norm(dim=1).min() > 0
    assert_moments_fit(parameters, optimizers)


def test_moments_of_kept_splats_stay_and_those_of_new_ones_are_zero():
    parameters, optimizers, _ = training()
    moments = optimizers["means"].state[parameters["means"]]["exp_avg"].clone()
    keep = torch.ones(40, dtype=torch.bool)
    keep[7] = False
    replace_splats(parameters, optimizers, keep, {name: p[:3] for name, p in parameters.items()})
    after = optimizers["means"].state[parameters["means"]]["exp_avg"]
    assert torch.equal(after[:39], moments[keep])
    assert (after[39:] == 0).all()


def test_count_never_passes_the_cap_and_the_largest_gradients_come_first():
    parameters, optimizers, strategy = training(99)
    parameters["scales"].data[:] = torch.tensor(0.01).log()
    parameters["opacities"].data[:] = 0
    wanted = parameters["means"][50].detach().clone()
    gather(strategy, 99, [10, 20, 30])
    gather(strategy, 99, [50], norm=100.0)
    report = strategy.refine(2, 100, parameters, optimizers)
    assert report.count == 100
    assert torch.equal(parameters["means"][99], wanted)


def test_room_made_by_dropping_is_filled_at_once():
    parameters, optimizers, strategy = training(100)
    parameters["scales"].data[:] = torch.tensor(0.01).log()
    parameters["opacities"].data[:] = 0
    parameters["opacities"].data[4:8] = -10
    wanted = parameters["means"][[10, 20, 30, 40]].detach().clone()
    gather(strategy, 100, [5, 10, 20, 30, 40])
    report = strategy.refine(2, 100, parameters, optimizers)
    assert (report.pruned, report.cloned, report.count) == (4, 4, 100)
    assert torch.equal(parameters["means"][96:], wanted)  # the faint fifth one is gone


def test_faint_and_not_finite_splats_are_dropped():
    parameters, optimizers, strategy = training()
    parameters["opacities"].data[4] = -10
    parameters["means"].data[6, 0] = float("nan")
    gather(strategy, 40, [])
    assert strategy.refine(2, 100, parameters, optimizers).pruned == 2
    assert_moments_fit(parameters, optimizers)


def test_losing_every_splat_is_an_error_and_not_an_empty_scene():
    parameters, optimizers, strategy = training()
    parameters["opacities"].data[:] = -10
    gather(strategy, 40, [])
    with pytest.raises(FloatingPointError, match="learning rates"):
        strategy.refine(2, 100, parameters, optimizers)


def test_refinement_keeps_its_schedule():
    parameters, optimizers, strategy = training()
    due = []
    for step_ in range(12):
        gather(strategy, len(parameters["means"]), [])
        if strategy.refine(step_, 12, parameters, optimizers) is not None:
            due.append(step_)
    assert due == [2, 4, 6]


@pytest.mark.parametrize(("total", "reset"), [(20, True), (19, False)])
def test_opacities_are_reset_only_where_enough_steps_remain(total, reset):
    settings = DensificationSettings(**{**vars(SETTINGS), "stop_share": 0.9})
    parameters, optimizers, strategy = training(settings=settings)
    gather(strategy, 40, [])
    assert strategy.refine(10, total, parameters, optimizers).reset == reset
    ceiling = RESET_OPACITY_FACTOR * settings.prune_opacity
    assert bool(torch.sigmoid(parameters["opacities"]).max() <= ceiling + 1e-6) == reset
    assert_moments_fit(parameters, optimizers)


def test_state_makes_the_next_refinement_the_same():
    results = []
    for interrupted in (False, True):
        parameters, optimizers, strategy = training()
        parameters["scales"].data[:] = torch.tensor(0.5).log()
        gather(strategy, 40, [1, 2])
        if interrupted:
            state = strategy.state()
            strategy = Densification(SETTINGS, extent=1.0, seed=0)
            strategy.load_state(state, torch.device("cpu"))
        strategy.refine(2, 100, parameters, optimizers)
        results.append(parameters["means"])
    assert torch.equal(*results)


def test_invisible_splats_do_not_count_as_views():
    parameters, optimizers, strategy = training()
    extents = torch.ones(40, 2)
    extents[3] = 0
    strategy.gather(gradients(40, [3], 3.0), torch.ones(40, 2), 2, 2)
    strategy.gather(torch.zeros(40, 2), extents, 2, 2)
    assert strategy.refine(2, 100, parameters, optimizers).count > 40  # 3 over one view passes a threshold of 1


def test_what_no_image_ever_showed_is_dropped_once_all_had_their_turn():
    parameters, optimizers, strategy = training()
    strategy.images = 3
    shown = torch.ones(40, 2)
    shown[[4, 7]] = 0
    for done in (2, 4):
        for _ in range(2):
            strategy.gather(torch.zeros(40, 2), shown, 2, 2)
        report = strategy.refine(done, 100, parameters, optimizers)
        assert report is not None
        assert report.pruned == (0 if done == 2 else 2)  # after 2 and 4 of 3 images
    assert len(parameters["means"]) == 38
    gather(strategy, 38, slice(0, 3))  # what is born counts as seen
    assert strategy.refine(6, 100, parameters, optimizers).count == 41
    gather(strategy, 41, slice(0, 0))
    assert strategy.refine(8, 100, parameters, optimizers).pruned == 0


def test_splats_of_small_exponents_are_dropped_where_asked():
    parameters, optimizers, _ = training()
    strategy = Densification(SETTINGS, extent=1.0, seed=0, shape=ShapeSettings(prune_beta=1.5))
    parameters["betas"].data[:7] = -5.0  # beta near 1
    gather(strategy, 40, [])
    report = strategy.refine(2, 100, parameters, optimizers)
    assert report is not None
    assert (report.pruned, report.count) == (7, 33)
