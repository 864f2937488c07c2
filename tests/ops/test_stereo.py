"""Stereo against its definition and against the truth, on every backend; wrong arguments."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from splatkit.ops.stereo import (
    AgreementSettings,
    MatchingSettings,
    MatchingSource,
    WindowSettings,
    check_agreement,
    match_planes,
    pack_grays,
    window_texture,
)
from splatkit.reference import stereo as reference
from splatkit.reference import stereo_consistency
from splatkit.reference.stereo_matching import carried_samples, gradients, homographies, inverse_depths, planes_through
from splatkit.reference.stereo_tries import RandomNumbers
from tests.splat_scenes import Backend
from tests.stereo.plane_scenes import (
    ROOF,
    SLANTED,
    PlaneView,
    agreement_neighbors,
    by_definition,
    match,
    plane_scene,
    source_bits,
    wrong_surfaces,
)

SCENES = pytest.mark.parametrize(("planes", "views"), [(SLANTED, 2), (SLANTED, 4), (ROOF, 3), (ROOF, 5)])
COST_TOLERANCE = (
    5e-4  # variances of grays near 128 are differences of float32 squares; 1.7e-4 was the most of 128 scenes
)


def disturbed(view: PlaneView, seed: int, share: float = 0.05) -> Tensor:
    """True planes [H, W, 3] float32, wrong by a random share of the inverse depth."""
    noise = torch.randn(*view.grays.shape, 1, generator=torch.Generator().manual_seed(seed))
    return (view.planes * (1 + share * noise)).float()


def test_grays_are_packed_with_their_right_and_lower_neighbors():
    grays = torch.tensor([[1, 2], [3, 200]], dtype=torch.uint8)
    words = [[0xC8030201, 0xC8C80202], [0xC803C803, 0xC8C8C8C8]]
    assert (pack_grays(grays).long() & 0xFFFFFFFF).tolist() == words


@SCENES
@pytest.mark.parametrize("geometric", [False, True])
def test_costs_of_given_planes_match_the_definition(
    backend: Backend, planes: tuple[tuple[float, ...], ...], views: int, geometric: bool
):
    scene = plane_scene(planes, views, seed=views)
    surfaces = wrong_surfaces(scene, seed=1) if geometric else None
    begin = disturbed(scene[0], seed=views)
    expected = reference.start(by_definition(scene, source_planes=surfaces), begin.double())
    actual = match(scene, begin, [], source_planes=surfaces, device=backend.device)
    assert (actual.costs - expected.costs).abs().max() < COST_TOLERANCE
    # Of two sources that cost the same, rounding chooses.
    assert (source_bits(actual.views, views - 1) != expected.views).any(-1).double().mean() < 0.005
    assert 0.05 < expected.costs.median() < 1.5  # neither all good nor all bad


def test_first_planes_are_drawn_as_in_the_definition(backend: Backend):
    scene = plane_scene(seed=3)
    expected = reference.start(by_definition(scene, seed=7), torch.zeros(30, 40, 3, dtype=torch.float64))
    actual = match(scene, torch.zeros(30, 40, 3), [], seed=7, device=backend.device)
    assert 0.5 < (expected.planes != 0).any(-1).double().mean() < 1  # the others are drawn too much aslant
    assert (actual.planes - expected.planes).abs().max() < 1e-5 * expected.planes.abs().max()
    assert (actual.costs - expected.costs).abs().max() < COST_TOLERANCE


@SCENES
@pytest.mark.parametrize("geometric", [False, True])
def test_a_sweep_matches_the_definition(
    backend: Backend, planes: tuple[tuple[float, ...], ...], views: int, geometric: bool
):
    """Where two planes cost the same, rounding chooses, and neighbors copy the choice: 0.4 % of costs and 0.9 % of
    planes were the most of 128 scenes.
    """
    scene = plane_scene(planes, views, seed=views)
    surfaces = wrong_surfaces(scene, seed=1) if geometric else None
    begin = torch.zeros(30, 40, 3)
    expected = reference.match_planes(by_definition(scene, source_planes=surfaces), begin.double(), [0.8])
    actual = match(scene, begin, [0.8], source_planes=surfaces, device=backend.device)
    assert ((actual.costs - expected.costs).abs() > 1e-3).double().mean() < 0.01
    assert ((actual.planes - expected.planes).abs().amax(-1) > 1e-4).double().mean() < 0.02
    assert (source_bits(actual.views, views - 1) != expected.views).any(-1).double().mean() < 0.005


def test_planes_that_are_all_but_the_same_count_as_one_as_in_the_definition(backend: Backend):
    """Of planes hundredths of a pixel apart, rounding often chooses: up to 2.2 % were others with 15 seeds; with
    0.075 px in place of 0.05 px 28 % and more.
    """
    scene = plane_scene(seed=1)
    begin = disturbed(scene[0], seed=1, share=0.003)
    expected = reference.match_planes(by_definition(scene), begin.double(), [0.8])
    actual = match(scene, begin, [0.8], device=backend.device)
    assert ((actual.costs - expected.costs).abs() > 1e-3).double().mean() < 0.005
    assert ((actual.planes - expected.planes).abs().amax(-1) > 1e-4).double().mean() < 0.08


def test_a_sweep_without_votes_keeps_sources_as_in_the_definition(backend: Backend):
    """The second sweep starts from what rounding chose in the first one: 0.7 % of costs were the most of 10 seeds."""
    scene = plane_scene(ROOF, views=5, seed=1)
    begin = torch.zeros(30, 40, 3)
    expected = reference.match_planes(by_definition(scene), begin.double(), [0.8, 0.0])
    voted = match(scene, begin, [0.8], device=backend.device)
    actual = match(scene, begin, [0.8, 0.0], device=backend.device)
    assert ((actual.costs - expected.costs).abs() > 1e-3).double().mean() < 0.02
    assert torch.equal(actual.views, voted.views)
    assert torch.equal(source_bits(voted.views, 4), expected.views)


def test_random_tries_only_make_a_plane_better():
    view = by_definition(plane_scene(ROOF, seed=2))
    state = reference.start(view, torch.zeros(30, 40, 3, dtype=torch.float64))
    without = reference.half_sweep(view, state, 1, 0, 0.8, with_tries=False)
    tried = reference.half_sweep(view, state, 1, 0, 0.8)
    assert (tried.costs <= without.costs).all()
    assert (tried.costs < without.costs).double().mean() > 0.1  # half of the pixels have the color
    color = torch.stack(torch.meshgrid(torch.arange(30), torch.arange(40), indexing="ij")).sum(0) % 2
    assert torch.equal(tried.planes[color == 0], state.planes[color == 0])


def test_random_numbers_are_uniform_and_independent():
    random = RandomNumbers(5, torch.arange(20000), 3)
    first, second = random.shares(), random.shares()
    assert abs(first.mean().item() - 0.5) < 0.01  # five standard deviations
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1].item()) < 0.035
    assert abs(torch.corrcoef(torch.stack([first[1:], first[:-1]]))[0, 1].item()) < 0.035


@pytest.mark.parametrize(("width", "most"), [(40, 1e-2), (320, 1e-4)])
@pytest.mark.parametrize("degrees", [0, 30, 60, 75])
def test_three_terms_of_a_reciprocal_are_near_the_exact_homography(width: int, most: float, degrees: float):
    """The error is the place in the source times the third power of the taper, the share by which a window's corner is
    nearer or farther than its middle: at 75 degrees 0.007 px of 40 and 0.00007 px of 320.
    """
    view = by_definition(plane_scene(views=3, width=width, height=3 * width // 4))
    points = reference.pixels_of(view, (0, 1))
    slant = np.radians(degrees)
    directions = torch.tensor([0.8 * np.sin(slant), 0.6 * np.sin(slant), np.cos(slant)]).expand(len(points), 3)
    planes = planes_through(view.K, directions, points, torch.full((len(points),), 0.25, dtype=torch.float64))
    planes, points = planes[view.admits(planes, points)], points[view.admits(planes, points)]
    assert len(points) > 0.9 * width * (3 * width // 4)
    for source in view.sources:
        H = homographies(view.K, source, planes)
        apart = (carried_samples(H, points) - carried_samples(H, points, exact=True)).norm(dim=-1)
        assert apart.max() < most  # px


@pytest.mark.parametrize(("planes", "most_share", "most_degrees"), [(SLANTED, 1e-3, 2.0), (ROOF, 1e-3, 2.0)])
def test_matching_recovers_planes(
    backend: Backend, planes: tuple[tuple[float, ...], ...], most_share: float, most_degrees: float
):
    """Medians of 12 seeds: 0.05 to 0.06 % of the depth, 0.9 to 1.4 degrees."""
    scene = plane_scene(planes, views=5, seed=1, width=64, height=48)
    found = match(scene, torch.zeros(48, 64, 3), [0.8, 0.7, 0.6, 0.5], device=backend.device).planes.double()
    truth, K = scene[0].planes, torch.from_numpy(scene[0].K)
    points = reference.pixels_of(by_definition(scene), (0, 1)).view(48, 64, 2)
    shares = (inverse_depths(truth, points) / inverse_depths(found, points) - 1).abs()
    cosines = torch.cosine_similarity(gradients(K, found), gradients(K, truth), dim=-1)
    interior = slice(6, -6)
    assert shares[interior, interior].median() < most_share
    assert torch.rad2deg(cosines.clamp(-1, 1).arccos())[interior, interior].median() < most_degrees


def test_pixels_that_are_not_usable_are_given_up(backend: Backend):
    scene = plane_scene(seed=1)
    usable = torch.rand(30, 40, generator=torch.Generator().manual_seed(0)) < 0.7
    found = match(scene, torch.zeros(30, 40, 3), [0.8], usable=usable, device=backend.device)
    assert (found.costs[~usable] == 2).all()
    assert (found.views[~usable] == 0).all()
    assert (found.views[usable] != 0).all()


def test_windows_without_texture_are_given_up_as_in_the_definition(backend: Backend):
    scene = plane_scene(seed=1)
    contrast = 3 * torch.rand(30, 40, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 1, 40)
    scene[0] = scene[0]._replace(grays=(100 + contrast).to(torch.uint8))
    begin = scene[0].planes.float()
    known = reference.start(by_definition(scene), begin.double()).views.any(-1)
    found = match(scene, begin, [], device=backend.device)
    assert torch.equal(found.views != 0, known)
    assert (found.costs[~known] == 2).all()
    assert 0.2 < known.double().mean() < 0.8


def agreement_by_definition(
    planes: Tensor, scene: list[PlaneView], surfaces: list[Tensor], settings: AgreementSettings
) -> Tensor:
    neighbors = [
        stereo_consistency.Neighbor(
            neighbor.planes.double(),
            neighbor.costs.double(),
            torch.from_numpy(neighbor.K),
            torch.from_numpy(neighbor.T_neighbor_reference),
        )
        for neighbor in agreement_neighbors(scene, surfaces)
    ]
    tolerances = stereo_consistency.Tolerances(*dataclasses.astuple(settings))
    return stereo_consistency.check_agreement(planes.double(), torch.from_numpy(scene[0].K), neighbors, tolerances)


LOOSE = AgreementSettings(most_pixels=40.0, most_share=0.6, least_cosine=-1.0, trusted_cost=0.9)


@pytest.mark.parametrize("settings", [AgreementSettings(), LOOSE])
@pytest.mark.parametrize(("planes", "focal", "share"), [(SLANTED, 60, 0.01), (ROOF, 60, 0.01), (SLANTED, 1500, 2e-4)])
def test_agreement_matches_the_definition(
    backend: Backend, planes: tuple[tuple[float, ...], ...], focal: float, share: float, settings: AgreementSettings
):
    scene = plane_scene(planes, views=5, seed=4, focal=focal)
    surfaces = wrong_surfaces(scene, seed=2, share=share)
    surfaces[0][:10] = 0  # no planes there
    surfaces[1] *= torch.linspace(0.5, 1, 43)[:, None]  # more and more to the left, points are seen through
    generator = torch.Generator().manual_seed(3)
    h, w, _ = surfaces[2].shape
    tilts = 0.15 * (torch.rand(h, w, 2, generator=generator) - 0.5)  # up to 90 degrees about pixels' centers
    surfaces[2][..., :2] += tilts
    surfaces[2][..., 2] -= (
        tilts * torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"), -1)
    ).sum(-1)
    begin = disturbed(scene[0], seed=5, share=share)
    begin[3:5] = 0
    expected = agreement_by_definition(begin, scene, surfaces, settings)
    neighbors = agreement_neighbors(scene, surfaces, backend.device)
    actual = torch.stack(check_agreement(begin.to(backend.device), scene[0].K, neighbors, settings), -1).cpu().double()
    torch.testing.assert_close(
        actual, expected, rtol=1e-4, atol=1e-4
    )  # depths of 4 are float32; their scatter is a root
    assert set(expected[..., 1].unique().tolist()) >= {0, 1, 2}
    assert 0.02 < (expected[..., 4] > 0).double().mean() < 0.95
    assert not expected[3:5].any()


def test_texture_matches_the_definition(backend: Backend):
    grays = plane_scene(seed=6)[0].grays
    grays[:, 25:] = 90  # a flat wall
    least = 300.03
    expected = stereo_consistency.window_texture(grays.double(), least, 18.0, 5.0)
    actual = window_texture(grays.to(backend.device), least)
    torch.testing.assert_close(actual[0].cpu().double(), expected[0], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(actual[1].cpu().double(), expected[1], rtol=0, atol=1e-5)
    assert not actual[1][:, 36:].any()


def arguments(**changes: Any) -> dict[str, Any]:
    """Of `match_planes`, two sources."""
    scene = plane_scene(views=3)
    values: dict[str, Any] = {
        "planes": torch.zeros(30, 40, 3),
        "grays": scene[0].grays,
        "usable": torch.ones(30, 40, dtype=torch.bool),
        "K": scene[0].K,
        "sources": [MatchingSource(pack_grays(view.grays), view.K, view.T) for view in scene[1:]],
        "depth_range": (2.0, 8.0),
        "sweeps": [0.8],
    }
    return values | changes


def with_first_source(**changes: Any) -> Callable[[], dict[str, Any]]:
    def changed() -> dict[str, Any]:
        first, second = arguments()["sources"]
        return {"sources": [first._replace(**changes), second]}

    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: {"planes": torch.zeros(30, 41, 3)}, r"grays: expected shape \[30, 41\], got \[30, 40\]"),
        (lambda: {"planes": torch.zeros(30, 40)}, r"planes: expected shape \[30, 40, 3\]"),
        (lambda: {"planes": torch.zeros(30, 40, 3, dtype=torch.float64)}, "planes: expected float32"),
        (lambda: {"grays": torch.zeros(30, 40)}, "grays: expected uint8"),
        (lambda: {"usable": torch.ones(30, 40)}, "usable: expected bool"),
        (lambda: {"usable": torch.ones(30, 39, dtype=torch.bool)}, r"usable: expected shape \[30, 40\]"),
        (lambda: {"K": np.eye(2)}, "K: expected finite numbers"),
        (lambda: {"K": np.full((3, 3), np.nan)}, "K: expected finite numbers"),
        (lambda: {"sources": []}, "sources: expected 1 to 8, got 0"),
        (lambda: {"sources": arguments()["sources"] * 5}, "sources: expected 1 to 8, got 10"),
        (with_first_source(planes=torch.zeros(32, 40, 3)), "sources: expected planes of all of them, or of none"),
        (with_first_source(packed=torch.zeros(3, dtype=torch.int32)), "packed: expected at least 2 axes"),
        (with_first_source(packed=torch.zeros(3, 3)), "packed: expected int32"),
        (with_first_source(T_source_reference=np.eye(3)), "sources: expected finite numbers"),
        (with_first_source(T_source_reference=np.full((4, 4), np.inf)), "sources: expected finite numbers"),
        (lambda: {"depth_range": (8.0, 2.0)}, "depth_range: expected 0 < nearest < farthest, got 8.0, 2.0"),
        (lambda: {"depth_range": (0.0, 2.0)}, "depth_range"),
        (lambda: {"depth_range": (1.0, float("inf"))}, "depth_range"),
        (lambda: {"depth_range": (float("nan"), 2.0)}, "depth_range"),
        (lambda: {"settings": MatchingSettings(noise=0.0)}, "noise: expected a positive variance"),
        (lambda: {"settings": MatchingSettings(window=WindowSettings(color_sigma=0.0))}, "expected positive sigmas"),
    ],
)
def test_wrong_arguments_of_matching_are_named(change: Callable[[], dict[str, Any]], message: str):
    with pytest.raises((ValueError, TypeError), match=message):
        match_planes(**arguments(**change()))


def test_wrong_arguments_of_agreement_and_texture_are_named():
    scene = plane_scene(views=2)
    (neighbor,) = agreement_neighbors(scene, wrong_surfaces(scene, 0))
    begin, K = scene[0].planes.float(), scene[0].K
    with pytest.raises(ValueError, match="neighbors: expected at most 16, got 17"):
        check_agreement(begin, K, [neighbor] * 17)
    with pytest.raises(ValueError, match=r"neighbor_costs: expected shape \[32, 40\], got \[1, 2\]"):
        check_agreement(begin, K, [neighbor._replace(costs=torch.zeros(1, 2))])
    with pytest.raises(ValueError, match="neighbors: expected finite numbers"):
        check_agreement(begin, K, [neighbor._replace(K=np.eye(2))])
    with pytest.raises(ValueError, match=r"grays: expected shape \[3, 4\]"):
        window_texture(torch.zeros(3, 4, 1, dtype=torch.uint8), 1.0)
    with pytest.raises(ValueError, match="1 to 65535 px a side"):
        window_texture(torch.zeros(0, 4, dtype=torch.uint8), 1.0)


def raw_arguments() -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Of the three ops themselves: one source, the same camera a little to the side."""
    camera, R, t = [30.0, 30.0, 7.5, 5.5], [1.0, 0, 0, 0, 1, 0, 0, 0, 1], [-0.3, 0.0, 0.0]
    grays = torch.randint(0, 256, (12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    planes, costs = torch.tensor([0.0, 0.0, 0.25]).repeat(12, 16, 1), torch.rand(12, 16)
    weights = (torch.linspace(1, 0, 256), torch.ones(32))
    numbers = [*camera, 0.1, 1.0, 9.0, 2.0, 0.2, 3.0, 0.0, *R, -9.0, 0.0, 0.0, *R, 9.0, 0.0, 0.0, 9.0]
    matching = (planes, grays, torch.ones(12, 16, dtype=torch.bool), *weights, [pack_grays(grays)], [planes], numbers)
    agreement = (planes, [planes], [costs], [*camera, 1.0, 0.01, 0.8, 0.5, *camera, *R, *t])
    return (*matching, 3, [0, 1], [0.8, 0.7]), agreement, (grays, *weights, 10.0)


def test_ops_pass_opcheck():
    matching, agreement, texture = raw_arguments()
    torch.library.opcheck(torch.ops.splatkit.match_planes, matching)
    torch.library.opcheck(torch.ops.splatkit.check_consistency, agreement)
    torch.library.opcheck(torch.ops.splatkit.window_texture, texture)


# Inductor's own imports warn about what they will drop.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ops_compile_into_one_graph():
    matching, agreement, texture = raw_arguments()

    def all_of(grays: Tensor) -> list[Tensor]:
        found = torch.ops.splatkit.match_planes(matching[0], grays, *matching[2:])
        checked = torch.ops.splatkit.check_consistency(found[0], *agreement[1:])
        return [*found, checked, *torch.ops.splatkit.window_texture(grays, *texture[1:])]

    compiled = torch.compile(all_of, fullgraph=True, backend="aot_eager")
    for actual, expected in zip(compiled(matching[1]), all_of(matching[1]), strict=True):
        assert torch.equal(actual, expected)
