"""Dense multi-view stereo by its definition: PatchMatch on slanted planes with views chosen pixel by pixel.

Pixels of one color of a chessboard take over planes of the other color, then try others nearby (Galliani et al. 2015,
Massively Parallel Multiview Stereopsis by Surface Normal Diffusion). Eight regions around a pixel each propose their
best; the proposals vote on which sources see the pixel (Xu and Tao 2019, Multi-Scale Geometric Consistency Guided
Multi-View Stereo). Costs and conventions are those of `reference.stereo_matching`, random planes those of
`reference.stereo_tries`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from splatkit.reference.stereo_matching import (
    WINDOW_RADIUS,
    WORST_COST,
    Settings,
    Source,
    Window,
    inverse_depths,
    is_admissible,
    source_costs,
    window_of,
)
from splatkit.reference.stereo_tries import KINDS, RandomNumbers, random_planes, varied_planes

FLAT_VARIANCE = 0.25  # of a window in which there is nothing to match
SAME_PLANE = 0.05  # px of parallax over the window: planes nearer than that are one
BAD_COST = 1.2  # a proposal that costs more speaks against a source
LEAST_GOOD, MOST_BAD = 3, 2  # proposals that must speak for a source, and may speak against it
WORTHLESS_COST = 0.9  # at which a proposal's voice has fallen to nothing
STRANGE_SHARE = 0.5  # weight of a source that no neighbor uses
UNSURE_COST = 0.2  # where the best proposal costs more, planes from anywhere are tried too
SURE_TRIES = 3  # where it does not
START = 0xFFFFFFFF  # number of the sweep in which the first planes are drawn

# Neighbors of the other color in the regions to the right: an opening V nearby, and a line farther out.
_V = [(1, 0), *((2 + step, side * (1 + step)) for step in range(3) for side in (-1, 1))]
_LINE = [(5 + 2 * step, 0) for step in range(9)]


class Reference(NamedTuple):
    """A view whose planes are looked for, and how they are judged."""

    grays: Tensor  # [H, W] 0 to 255
    usable: Tensor  # [H, W] bool
    K: Tensor  # [3, 3] px, pixel centers at +0.5
    sources: list[Source]
    depth_range: tuple[float, float]  # nearest and farthest z
    settings: Settings
    seed: int

    @property
    def inverse_range(self) -> tuple[float, float]:
        """Least and most inverse depth."""
        return 1 / self.depth_range[1], 1 / self.depth_range[0]

    @property
    def parallaxes(self) -> Tensor:
        """About how many px a unit of inverse depth moves a pixel's image in each source [J]."""
        return torch.stack([source.K[0, 0] * source.T[:3, 3].norm() for source in self.sources]).clamp_min(1e-12)

    def admits(self, planes: Tensor, points: Tensor) -> Tensor:
        """Which planes [..., 3] are in the range and not seen from the side, at pixels [..., 2]."""
        return is_admissible(self.K, planes, points, *self.inverse_range)

    def random_numbers(self, points: Tensor, sweep: int) -> RandomNumbers:
        """A stream for each of the pixels [P, 2]."""
        return RandomNumbers(self.seed, (points[:, 1] * self.grays.shape[1] + points[:, 0]).long(), sweep)

    def costs(self, window: Window, planes: Tensor, points: Tensor) -> Tensor:
        """What sources make of planes: [..., J]."""
        return source_costs(window, self.K, self.sources, planes, points, self.settings)


class State(NamedTuple):
    """What is believed of each pixel."""

    planes: Tensor  # [H, W, 3]
    costs: Tensor  # [H, W]
    views: Tensor  # [H, W, J] bool, sources in use

    def at(self, points: Tensor) -> "State":
        """The same of pixels [..., 2]."""
        column, row = points.long().unbind(-1)
        return State(*(tensor[row, column] for tensor in self))

    def only_where(self, known: Tensor) -> "State":
        """Given up where it is not known [P]."""
        return State(self.planes, torch.where(known, self.costs, WORST_COST), self.views & known[:, None])

    def with_values(self, points: Tensor, values: "State") -> "State":
        """Values of pixels [P, 2] replaced by others."""
        column, row = points.long().unbind(-1)
        return State(*(old.index_put((row, column), new) for old, new in zip(self, values, strict=True)))


class Proposals(NamedTuple):
    """Planes for each of P pixels."""

    planes: Tensor  # [P, 9, 3]
    votes: Tensor  # [P, 9] neighbors that have the plane; 0 where there is none


def match_planes(view: Reference, planes: Tensor, sweeps: list[float], first_sweep: int = 0) -> State:
    """Judge planes [H, W, 3], or random ones in place of inadmissible, and improve them sweep by sweep.

    Arguments are those of `ops.stereo.match_planes`: sweeps[k] is the cost below which a proposal speaks for a source,
    or zero where pixels keep the sources that they have.
    """
    state = start(view, planes)
    for number, good_cost in enumerate(sweeps, first_sweep):
        for color in (0, 1):
            state = half_sweep(view, state, color, number, good_cost)
    return state


def start(view: Reference, planes: Tensor) -> State:
    """The first look at each pixel: all weight is on the two best sources.

    In place of inadmissible planes random ones are drawn; where these are none either, there is none: zeros.
    """
    points = pixels_of(view, (0, 1))
    planes = planes.reshape(-1, 3)
    drawn = random_planes(view.K, points, view.inverse_range, view.random_numbers(points, START))
    planes = torch.where(view.admits(planes, points)[:, None], planes, drawn)
    admitted = view.admits(planes, points)
    planes = torch.where(admitted[:, None], planes, 0)
    window, textured = windows_at(view, points)
    costs = view.costs(window, planes, points)
    weights = best_two(costs)
    known = textured & admitted
    found = State(planes, (weights * costs).sum(-1), weights > 0).only_where(known)
    return State(*(values.reshape(*view.grays.shape, *values.shape[1:]) for values in found))


def half_sweep(
    view: Reference, state: State, color: int, number: int, good_cost: float, with_tries: bool = True
) -> State:
    """Improve the pixels of a color: they take the best proposal, then what is better among random tries."""
    points = pixels_of(view, (color,))
    window, textured = windows_at(view, points)
    proposals = propose(view, state, points)
    costs = view.costs(Window(*(part[:, None] for part in window)), proposals.planes, points[:, None])
    before = state.at(points)
    weights = vote(proposals, costs, good_cost, neighbor_shares(state, points))
    if good_cost <= 0:
        uses = before.views.sum(-1, keepdim=True)
        weights = torch.where(uses > 0, before.views / uses, weights)
    totals = torch.where(proposals.votes > 0, (weights[:, None] * costs).sum(-1), torch.inf)
    least, choice = totals.min(-1).values, totals.argmin(-1)
    best = proposals.planes[torch.arange(len(points)), choice]
    if with_tries:
        best, least = try_planes(view, best, least, weights, window, points, view.random_numbers(points, number))
    known = textured & (proposals.votes > 0).any(-1)
    found = State(torch.where(known[:, None], best, before.planes), least, weights > 0).only_where(known)
    return state.with_values(points, found)


def pixels_of(view: Reference, colors: tuple[int, ...]) -> Tensor:
    """Pixels [P, 2] of a chessboard's colors, row by row; (column + row) % 2 is the color."""
    H, W = view.grays.shape
    row, column = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    points = torch.stack([column, row], -1).reshape(-1, 2)
    return points[torch.isin(points.sum(-1) % 2, torch.tensor(colors))].double()


def windows_at(view: Reference, points: Tensor) -> tuple[Window, Tensor]:
    """Windows of pixels [P, 2], and which are usable and have something to match [P]."""
    window = window_of(view.grays, points, view.settings.color_sigma, view.settings.space_sigma)
    column, row = points.long().unbind(-1)
    return window, view.usable[row, column] & (window.variances >= FLAT_VARIANCE)


def regions() -> list[Tensor]:
    """Offsets [n, 2] px of the neighbors in each of the eight regions: near, then far; right, left, below, above."""
    turns = [lambda x, y: (x, y), lambda x, y: (-x, y), lambda x, y: (y, x), lambda x, y: (y, -x)]
    return [torch.tensor([turn(*place) for place in shape]) for shape in (_V, _LINE) for turn in turns]


def propose(view: Reference, state: State, points: Tensor) -> Proposals:
    """A pixel's own plane and that of the least cost in each region, where they are admissible, without repetitions."""
    H, W = state.costs.shape
    planes, present = [state.at(points).planes], [torch.ones(len(points), dtype=torch.bool)]
    for offsets in regions():
        around = points[:, None] + offsets
        inside = ((around >= 0) & (around < torch.tensor([W, H]))).all(-1)
        neighbors = state.at(torch.where(inside[..., None], around, 0))
        choice = torch.where(inside, neighbors.costs, torch.inf).argmin(-1)  # the first of equals
        planes.append(neighbors.planes[torch.arange(len(points)), choice])
        present.append(inside.any(-1))
    stacked = torch.stack(planes, 1)
    admissible = torch.stack(present, 1) & view.admits(stacked, points[:, None])
    return without_repetitions(stacked, admissible, points, view.parallaxes.mean())


def without_repetitions(planes: Tensor, present: Tensor, points: Tensor, parallax: Tensor) -> Proposals:
    """Each of [P, N] planes that is like an earlier one gives its vote to that one, the first of those."""
    votes = torch.zeros(present.shape, dtype=torch.int64)
    inverse = inverse_depths(planes, points[:, None])
    for i in range(planes.shape[1]):
        tilt = (planes[:, :i, :2] - planes[:, i, None, :2]).abs().sum(-1)
        apart = ((inverse[:, :i] - inverse[:, i, None]).abs() + WINDOW_RADIUS * tilt) * parallax
        same = (apart < SAME_PLANE) & (votes[:, :i] > 0) & present[:, i, None]
        first = same & (same.cumsum(-1) == 1)
        votes[:, :i] += first
        votes[:, i] = present[:, i] & ~same.any(-1)
    return Proposals(planes, votes)


def neighbor_shares(state: State, points: Tensor) -> Tensor:
    """Share of the four neighbors of pixels [P, 2] that use each source [P, J]."""
    H, W, _ = state.views.shape
    around = points[:, None] + torch.tensor([(1, 0), (-1, 0), (0, 1), (0, -1)])
    inside = ((around >= 0) & (around < torch.tensor([W, H]))).all(-1)
    views = state.at(torch.where(inside[..., None], around, 0)).views & inside[..., None]
    return views.double().sum(1) / inside.sum(-1, keepdim=True).clamp_min(1)


def best_two(costs: Tensor) -> Tensor:
    """Weights [P, J], sum 1: all on the two sources of the least costs [P, J], or on the only one."""
    chosen = costs.sort(dim=-1, stable=True).indices[:, :2]
    return torch.zeros_like(costs).scatter(-1, chosen, 1 / chosen.shape[-1])


def vote(proposals: Proposals, costs: Tensor, good_cost: float, shares: Tensor) -> Tensor:
    """Weights [P, J] of sources, sum 1, by the costs [P, N, J] of proposals (Xu and Tao 2019, section 3.2).

    A source counts if enough proposals are good there and few are bad, by how good they are. Sources that neighbors
    use ([P, J], shares) count more. Without any, the two in which a proposal costs least have all weight.
    """
    voices = proposals.votes[..., None]
    good = (costs < good_cost) * voices
    bad = ((costs > BAD_COST) & (costs >= good_cost)) * voices
    trust = (1 - (costs / WORTHLESS_COST) ** 2).clamp_min(0) ** 3  # nearly a Gaussian of sigma 0.3
    sees = (good.sum(1) >= LEAST_GOOD) & (bad.sum(1) <= MOST_BAD)
    mean = (good * trust).sum(1) / good.sum(1).clamp_min(1)
    weights = torch.where(sees, mean * (STRANGE_SHARE + (1 - STRANGE_SHARE) * shares), 0)
    total = weights.sum(-1, keepdim=True)
    least = torch.where(voices > 0, costs, torch.inf).amin(1)
    return torch.where(total > 0, weights / total, best_two(least))


def try_planes(
    view: Reference, best: Tensor, least: Tensor, weights: Tensor, window: Window, points: Tensor, random: RandomNumbers
) -> tuple[Tensor, Tensor]:
    """Random tries one after the other, each around the best plane [P, 3] so far: planes and their costs [P]."""
    parallaxes = (weights * view.parallaxes).sum(-1)
    unsure = least > UNSURE_COST
    for number, kind in enumerate(KINDS):
        tried = varied_planes(kind, best, view.K, points, view.inverse_range, parallaxes, random)
        cost = (weights * view.costs(window, tried, points)).sum(-1)
        better = view.admits(tried, points) & (cost < least) & (unsure | (number < SURE_TRIES))
        best, least = torch.where(better[:, None], tried, best), torch.where(better, cost, least)
    return best, least
