"""The schedule of a run, in closed form."""

import pytest

from splatkit.optimize.ges.schedule import Schedule


def at(step, total, *, sh_degree=3, sh_steps=1000, downscales=0, every=10):
    return Schedule(sh_degree, sh_steps, downscales, every, step, total)


@pytest.mark.parametrize(("step", "degree"), [(0, 0), (999, 0), (1000, 1), (2999, 2), (3000, 3), (29_999, 3)])
def test_long_runs_raise_the_degree_every_thousand_steps(step, degree):
    assert at(step, 30_000).active_sh_degree() == degree


@pytest.mark.parametrize(("step", "degree"), [(0, 0), (99, 0), (100, 1), (200, 2), (300, 3), (399, 3)])
def test_short_runs_share_themselves_out(step, degree):
    assert at(step, 400).active_sh_degree() == degree


def test_images_double_until_they_are_whole_and_never_get_smaller_than_the_window_of_ssim():
    sizes = [at(step, 100, downscales=2).reduction(400, 300) for step in (0, 9, 10, 19, 20, 99)]
    assert sizes == [4, 4, 2, 2, 1, 1]
    assert at(0, 100, downscales=2).reduction(400, 30) == 2  # 7 px would not hold a window of 11


def test_exponents_are_reset_in_the_first_half_alone():
    assert [step for step in range(100) if at(step, 100).resets_exponents(20)] == [19, 39]
    assert not any(at(step, 100).resets_exponents(0) for step in range(100))


def test_progress_is_known_before_the_length_of_the_run():
    assert at(0, 0).progress == 0
    assert at(30, 40).progress == 0.75
