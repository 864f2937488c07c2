"""Random planes of stereo (Bleyer et al. 2011). Their numbers depend on seed, pixel and sweep and on nothing else."""

import torch
from torch import Tensor

from splatkit.reference.stereo_matching import gradients, inverse_depths, planes_through, rays

KINDS = ("depth", "normal", "both", "any depth", "any normal")  # in the order of the tries
DEPTH_OCTAVES = (-5, 7)  # px: from 2^-5, seven doublings
NORMAL_OCTAVES = (-7, 6)  # radians, about
MOST_DRAWS = 8  # of a direction; then it is the optical axis
LEAST_SQUARE = 1e-4  # of a drawn vector, whose direction is taken
_WORD = 0xFFFFFFFF
_STEP = 0x9E3779B9


class RandomNumbers:
    """One stream for each pixel; all advance together. 32-bit words are held in int64."""

    def __init__(self, seed: int, pixels: Tensor, sweep: int) -> None:
        """Streams of pixels [P] int64, counted row by row."""
        inner = _mixed(torch.tensor((sweep + 0xC2B2AE35) & _WORD))
        inner = _mixed((pixels * 0x85EBCA6B & _WORD) ^ inner)
        self._state = _mixed((seed * _STEP & _WORD) ^ inner)

    def shares(self) -> Tensor:
        """Multiples of 2^-24 in [0, 1) [P]."""
        self._state = (self._state + _STEP) & _WORD
        return (_mixed(self._state) >> 8).double() * 2.0**-24

    def either_way(self) -> Tensor:
        """In [-1, 1) [P]."""
        return 2 * self.shares() - 1

    def vectors(self) -> Tensor:
        """In the cube [-1, 1)^3 [P, 3]."""
        return torch.stack([self.either_way() for _ in range(3)], -1)

    def of_octaves(self, low: int, octaves: int) -> Tensor:
        """In [2^low, 2^(low + octaves)) [P], as many in each octave, uniform in it."""
        power = self.shares() * octaves
        return torch.exp2(power.floor() + low) * (1 + power - power.floor())

    def directions(self, rays: Tensor) -> Tensor:
        """In all directions [P, 3] that have a positive product with rays [P, 3]; not normalized."""
        found = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(rays.shape).clone()
        open_ = torch.ones(len(rays), dtype=torch.bool)
        for _ in range(MOST_DRAWS):
            drawn = self.vectors()
            square = drawn.square().sum(-1)
            taken = open_ & (square <= 1) & (square >= LEAST_SQUARE)
            found[taken] = drawn[taken]
            open_ &= ~taken
        return torch.where((found * rays).sum(-1, keepdim=True) < 0, -found, found)


def random_planes(K: Tensor, points: Tensor, inverse_range: tuple[float, float], random: RandomNumbers) -> Tensor:
    """Planes [P, 3] at pixels [P, 2] of any normal, inverse depths uniform in a range."""
    least, most = inverse_range
    inverse = least + random.shares() * (most - least)
    return planes_through(K, random.directions(rays(K, points)), points, inverse)


def varied_planes(
    kind: str,
    planes: Tensor,
    K: Tensor,
    points: Tensor,
    inverse_range: tuple[float, float],
    parallaxes: Tensor,
    random: RandomNumbers,
) -> Tensor:
    """Tries near planes [P, 3], or anywhere.

    Args:
        kind: one of KINDS.
        planes: [P, 3].
        K: [3, 3] px.
        points: [P, 2] px.
        inverse_range: of inverse depths.
        parallaxes: [P] px a unit of inverse depth.
        random: one stream for each pixel; advances.
    """
    inverse, directions = inverse_depths(planes, points), gradients(K, planes)
    least, most = inverse_range
    if kind in ("depth", "both"):
        pixels = random.of_octaves(*DEPTH_OCTAVES)
        inverse = inverse + torch.where(random.shares() < 0.5, -pixels, pixels) / parallaxes
    if kind in ("normal", "both"):
        lengths = random.of_octaves(*NORMAL_OCTAVES) * directions.norm(dim=-1)
        directions = directions + lengths[:, None] * random.vectors()
    if kind == "any depth":
        inverse = least + random.shares() * (most - least)
    if kind == "any normal":
        directions = random.directions(rays(K, points))
    return planes_through(K, directions, points, inverse)


def _mixed(x: Tensor) -> Tensor:
    """A word's bits, well mixed: the finalizer "lowbias32" (Wellons, hash-prospector)."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _WORD
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _WORD
    return x ^ (x >> 16)
