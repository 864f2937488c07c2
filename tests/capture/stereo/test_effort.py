"""Which level is chosen, and what is said about it."""

import typing
from pathlib import Path

import numpy as np
import pytest

from splatkit.capture.stereo.effort import CPU_S_PER_MEGAPIXEL, choose_effort, rough_effort
from splatkit.capture.stereo.settings import Level
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.transforms_json import Frame
from splatkit.stereo.settings import LEVELS


def frames(count: int, width: int = 2000, height: int = 1500) -> list[Frame]:
    camera = Camera("pinhole", width, height, 1800.0, 1800.0, width / 2, height / 2)
    return [Frame(PosedCamera(f"{index}.png", camera, np.eye(4)), Path(f"{index}.png")) for index in range(count)]


def test_the_levels_of_the_command_are_those_of_stereo():
    assert set(typing.get_args(Level)) == set(LEVELS)


def test_it_is_medium_unless_that_takes_long():
    few, many = choose_effort(frames(40), None), choose_effort(frames(400), None)
    assert (few.level, many.level) == ("medium", "low")
    assert few.cpu_s == pytest.approx(40 * 0.75 * CPU_S_PER_MEGAPIXEL)
    assert str(few).endswith("of CPU time (chosen because it takes less than 20 minutes)")
    minutes = round(400 * 0.75 * CPU_S_PER_MEGAPIXEL / 60)
    assert f"(chosen because medium takes {minutes} minutes)" in str(many)


def test_what_was_asked_for_is_done_without_reasons():
    asked = choose_effort(frames(400), "high")
    assert asked.cpu_s == pytest.approx(400 * 3 * CPU_S_PER_MEGAPIXEL)
    assert (
        str(asked)
        == f"{asked.label} of CPU time"
        == f"stereo at high, about {round(400 * 3 * CPU_S_PER_MEGAPIXEL / 60)} minutes of CPU time"
    )


@pytest.mark.parametrize(("width", "height"), [(160, 120), (2000, 1500), (4000, 3000)])
@pytest.mark.parametrize("count", [3, 200])
def test_a_rough_estimate_needs_no_cameras(count, width, height):
    exact = choose_effort(frames(count, width, height), None)
    rough = rough_effort(count, width * height / 1e6, None)
    assert rough.level == exact.level
    assert rough.cpu_s == pytest.approx(exact.cpu_s, rel=0.4)  # lenses that see far to the sides lose their rim


def test_a_panorama_is_named():
    panorama = Camera("equirectangular", 200, 100, 1.0, 1.0, 100.0, 50.0)
    with pytest.raises(DatasetError, match=r"all_around\.png"):
        choose_effort([Frame(PosedCamera("all_around.png", panorama, np.eye(4)), Path("all_around.png"))], None)
