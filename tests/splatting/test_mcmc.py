import pytest
import torch

from splatkit.splatting.kernels.kernel import Profile
from splatkit.splatting.kernels.table import PROFILES
from splatkit.splatting.mcmc import McmcDensification, McmcSettings, _draw, relocated
from tests.splatting.kernels.test_table import line, unrounded_weight
from tests.splatting.test_densification import assert_moments_fit, training

SETTINGS = McmcSettings(warmup_steps=2, refine_every=2, max_splats=60)


def sampling(settings=SETTINGS, extent=1.0):
    parameters, optimizers, _ = training()
    return parameters, optimizers, McmcDensification(settings, extent, seed=0)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("beta", [1.0, 1.7, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("copies", [1, 2, 3, 10, 51])
def test_copies_together_have_the_integral_of_the_one(profile: Profile, beta: float, copies: int):
    opacity, scale = torch.tensor([0.8], dtype=torch.float64), torch.full((1, 3), 0.7, dtype=torch.float64)
    new_opacity, new_scale = relocated(opacity, scale, torch.tensor([beta]), torch.tensor([copies]), profile)
    weight = unrounded_weight(profile.name)
    x, dx = line()

    def along(size: torch.Tensor) -> torch.Tensor:
        return weight((x / size[0, 0]) ** 2, torch.tensor(beta, dtype=torch.float64))

    one = (opacity * along(scale) * dx).sum()
    together = ((1 - (1 - new_opacity * along(new_scale)) ** copies) * dx).sum()
    torch.testing.assert_close(together, one, rtol=1e-6, atol=0)
    torch.testing.assert_close(1 - (1 - new_opacity) ** copies, opacity)  # and its opacity at the center


def test_faint_splats_move_to_where_opacity_is():
    parameters, optimizers, strategy = sampling(McmcSettings(warmup_steps=2, refine_every=2, max_splats=40))
    parameters["opacities"].data[:] = -20.0
    parameters["opacities"].data[7] = 2.0
    optimizers["means"].param_groups[0]["lr"] = 0.0  # no noise
    home = parameters["means"][7].detach().clone()
    report = strategy.refine(2, 100, parameters, optimizers)
    assert report is not None
    assert (report.moved, report.split, report.count) == (39, 0, 40)
    torch.testing.assert_close(parameters["means"].detach(), home.expand(40, 3))
    assert_moments_fit(parameters, optimizers)


def test_count_grows_to_the_cap_by_half_the_run_and_stays_there():
    parameters, optimizers, strategy = sampling()
    for step in range(2, 101):
        strategy.refine(step, 100, parameters, optimizers)
        if step == 50:
            assert len(parameters["means"]) == 60
    assert len(parameters["means"]) == 60
    assert_moments_fit(parameters, optimizers)


def test_noise_moves_faint_splats_only_and_does_not_depend_on_the_unit_of_length():
    moves = []
    for unit in (1.0, 1000.0):
        parameters, optimizers, strategy = sampling(extent=unit)
        optimizers["means"].param_groups[0]["lr"] = 1e-4 * unit
        parameters["means"].data *= unit
        parameters["scales"].data += torch.tensor(unit).log()
        parameters["opacities"].data[:] = 3.0
        parameters["opacities"].data[:5] = -9.0
        before = parameters["means"].detach().clone()
        strategy.refine(1, 100, parameters, optimizers)
        moves.append((parameters["means"].detach() - before) / unit)
    assert moves[0][:5].abs().min() > 0
    assert moves[0][5:].abs().max() < 1e-3 * moves[0][:5].abs().max()
    torch.testing.assert_close(moves[0][:5], moves[1][:5], rtol=1e-3, atol=1e-6)


def test_decisions_of_a_step_hang_on_the_seed_and_the_step_alone():
    results = []
    for earlier in ([1], []):
        parameters, optimizers, strategy = sampling()
        for step in earlier:
            unused, their_optimizers, _ = sampling()
            strategy.refine(step, 100, unused, their_optimizers)
        strategy.refine(2, 100, parameters, optimizers)
        results.append(parameters["means"].detach().clone())
    assert torch.equal(*results)


def drawn(opacities, count, seed=0):
    candidates = torch.arange(len(opacities)) + 10
    everyone = torch.cat([torch.full((10,), 0.9), opacities])
    return _draw(candidates, everyone, count, torch.Generator().manual_seed(seed)) - 10


def test_splats_are_drawn_in_proportion_to_their_opacities():
    opacities = torch.tensor([0.1, 0.0, 0.4, 0.25, 0.0, 0.05, 0.2, 0.0])
    draws = 200_000
    counts = torch.bincount(drawn(opacities, draws), minlength=8).double()
    assert (counts[opacities == 0] == 0).all()
    expected = draws * opacities.double()
    deviations = (expected * (1 - opacities)).sqrt()
    assert ((counts - expected).abs() <= 4 * deviations).all()


def test_draws_hang_on_the_seed():
    opacities = torch.rand(1000)
    assert torch.equal(drawn(opacities, 50, seed=3), drawn(opacities, 50, seed=3))
    assert not torch.equal(drawn(opacities, 50, seed=3), drawn(opacities, 50, seed=4))


def test_more_splats_than_multinomial_takes_are_drawn_from():
    count = 2**24 + 100
    opacities = torch.zeros(count)
    opacities[-7:] = 0.5
    generator = torch.Generator().manual_seed(0)
    chosen = _draw(torch.arange(count), opacities, 1000, generator)
    assert set(chosen.tolist()) == set(range(count - 7, count))
