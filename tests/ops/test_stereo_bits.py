"""Stereo has the same bits everywhere, and whatever comes in, its results are defined and finite."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from splatkit import ops
from splatkit.ops import native
from splatkit.ops.stereo import check_agreement, window_texture
from tests.conftest import INSTRUCTION_SETS
from tests.splat_scenes import Backend
from tests.stereo.plane_scenes import (
    PlaneView,
    agreement_neighbors,
    camera_matrix,
    looking_from,
    match,
    stereo_results,
)


@contextmanager
def instruction_set(name: str) -> Iterator[bool]:
    """Whether the machine has it; inside, native code uses it then."""
    before = native().instruction_set()
    try:
        yield native().use_instruction_set(name)
    finally:
        native().use_instruction_set(before)


def same_bits(actual: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.equal(a, e) for a, e in zip(actual, expected, strict=True))


@pytest.fixture(scope="module")
def baseline() -> list[Tensor]:
    """What the plainest code finds: before any other stands in for it."""
    with instruction_set("baseline"):
        return stereo_results(seed=1)


def test_every_backend_has_the_bits_of_the_baseline(baseline: list[Tensor], backend: Backend):
    assert same_bits(stereo_results(seed=1, device=backend.device), baseline)


@pytest.mark.slow
@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("order", ["reverse", "1", "2"])
def test_every_thread_order_has_the_bits_of_the_baseline(
    baseline: list[Tensor], monkeypatch: pytest.MonkeyPatch, order: str
):
    monkeypatch.setenv("SPLATKIT_THREAD_ORDER", order)
    assert same_bits(stereo_results(seed=1), baseline)


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_any_number_of_threads_has_the_bits_of_the_baseline(baseline: list[Tensor], threads: int):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with ops.native_threads_only():
            assert same_bits(stereo_results(seed=1), baseline)
    finally:
        torch.set_num_threads(before)


def test_layout_does_not_matter():
    grays = torch.randint(0, 256, (20, 50), dtype=torch.uint8)
    spread = torch.zeros(20, 100, dtype=torch.uint8)
    spread[:, ::2] = grays
    assert same_bits(list(window_texture(spread[:, ::2], 9.0)), list(window_texture(grays, 9.0)))


PLACES = {  # of sources; the surface is at z = 4
    "aside": (0.6, 0.1, 0.0),
    "same": (0.0, 0.0, 0.0),
    "ahead": (0.0, 0.0, 2.5),
    "beyond": (0.1, 0.0, 9.0),
    "far": (1e6, 0.0, 0.0),
    "near": (1e-7, 0.0, 0.0),
}
SIZES = [(1, 1), (2, 1), (3, 40), (16, 12), (21, 17)]
RANGES = [(2.0, 8.0), (3.999, 4.001), (4.0, 4.0000001), (1e-6, 1e6)]
VALUES = [0.0, 0.25, -1.0, 1e30, 1e-30, float("nan"), float("inf")]


class DegenerateCase(NamedTuple):
    """Something to match that may have no answer."""

    views: list[PlaneView]
    begin: Tensor  # [H, W, 3]
    usable: Tensor  # [H, W] bool
    surfaces: list[Tensor] | None  # [h, w, 3] each
    depth_range: tuple[float, float]
    sweeps: list[float]


@st.composite
def grays_of(draw: st.DrawFn) -> Tensor:
    """An image of any size with or without texture."""
    width, height = draw(st.sampled_from(SIZES))
    column, row = torch.arange(width), torch.arange(height)[:, None]
    kinds = {
        "black": torch.zeros(height, width),
        "white": torch.full((height, width), 255.0),
        "stripes": 255.0 * (column // 2 % 2).expand(height, width),
        "checkers": 255.0 * ((column + row) % 2),
        "noise": 255 * torch.rand(height, width, generator=torch.Generator().manual_seed(0)),
        "half": 255 * torch.rand(height, width, generator=torch.Generator().manual_seed(0)) * (column > width // 2),
    }
    return kinds[draw(st.sampled_from(sorted(kinds)))].to(torch.uint8)


@st.composite
def planes_of(draw: st.DrawFn, height: int, width: int) -> Tensor:
    """A plane at z = 4 with a value that does not belong there."""
    planes = torch.tensor([0.0, 0.0, 0.25]).repeat(height, width, 1)
    planes[draw(st.integers(0, height - 1)) :, :, draw(st.integers(0, 2))] = draw(st.sampled_from(VALUES))
    return planes


@st.composite
def degenerate_cases(draw: st.DrawFn) -> DegenerateCase:
    views: list[PlaneView] = []
    for place in ["same", *draw(st.lists(st.sampled_from(sorted(PLACES)), min_size=1, max_size=3))]:
        grays = draw(grays_of())
        height, width = grays.shape
        target = (draw(st.sampled_from([0.0, 0.5])), 0.0, 4.0) if views else (0.0, 0.0, 4.0)
        K, T = camera_matrix(width, height, 20.0), looking_from(PLACES[place], target)
        views.append(PlaneView(grays, K, T, torch.zeros(height, width, 3)))
    shape = tuple(views[0].grays.shape)
    usable = {"all": torch.ones(shape), "none": torch.zeros(shape), "some": torch.arange(shape[1]).expand(shape) % 3}
    surfaces = [draw(planes_of(*view.grays.shape)) for view in views[1:]] if draw(st.booleans()) else None
    return DegenerateCase(
        views,
        draw(planes_of(*shape)),
        usable[draw(st.sampled_from(sorted(usable)))].bool(),
        surfaces,
        draw(st.sampled_from(RANGES)),
        draw(st.sampled_from([[], [0.8], [0.5, 3.0, 0.0]])),
    )


def results_of(case: DegenerateCase) -> list[Tensor]:
    found = match(
        case.views,
        case.begin,
        case.sweeps,
        usable=case.usable,
        source_planes=case.surfaces,
        depth_range=case.depth_range,
    )
    surfaces = [view.planes for view in case.views[1:]] if case.surfaces is None else case.surfaces
    agreement = check_agreement(found.planes, case.views[0].K, agreement_neighbors(case.views, surfaces))
    return [*found, torch.stack(agreement), *window_texture(case.views[0].grays, 10.0)]


def by_each_instruction_set(results: Callable[[], list[Tensor]]) -> list[list[Tensor]]:
    """The plainest first, by all that the machine has."""
    found = []
    for name in INSTRUCTION_SETS:
        with instruction_set(name) as there:
            found += [results()] if there else []
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(degenerate_cases())
def test_any_input_gives_defined_results_with_the_same_bits(case: DegenerateCase):
    plain, *others = by_each_instruction_set(lambda: results_of(case))
    planes, costs, views, agreement, variances, shares = plain
    for other in others:
        assert same_bits(other, plain)
    assert all(torch.isfinite(tensor).all() for tensor in plain)
    assert ((costs >= 0) & (costs <= 2 + 0.2 * 3 + 1e-5)).all()
    assert (views < 1 << len(case.views) - 1).all()
    assert (costs[views == 0] == 2).all()
    assert (views[~case.usable] == 0).all()
    flat = variances < 0.25  # nothing to match
    assert (views[flat] == 0).all()
    assert planes.shape == case.begin.shape
    assert ((agreement[1] >= 0) & (agreement[1] <= len(case.views) - 1)).all()
    assert (agreement[2:] >= 0).all()
    assert ((shares >= 0) & (shares <= 1 + 1e-5)).all()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(case=degenerate_cases())
@pytest.mark.slow
def test_any_input_has_the_same_bits_in_emulated_kernels(
    emulated_module: object, monkeypatch: pytest.MonkeyPatch, case: DegenerateCase
):
    with instruction_set("baseline"):
        expected = results_of(case)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "splatkit._C", emulated_module)
        assert same_bits(results_of(case), expected)
