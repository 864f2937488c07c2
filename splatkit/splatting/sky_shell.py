"""A far shell of splats where photographs show that nothing is, so that no splat need stand before sky and backdrops.

Its splats are ordinary ones, which every viewer and file format shows; they are known by their distance. Positions
learn in steps that fit the scene, so that what is that far stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from splatkit.splatting.seeding import splats_from_points
from splatkit.splatting.splats import Splats

_OPACITY = 0.95  # of its splats: what is behind them is a random color
_REACH_QUANTILE = 0.999  # of the distances of points: some are strays


@dataclass(frozen=True)
class SkySettings:
    """How training keeps space empty where a dataset says that nothing is there; needs background maps."""

    share: float = 0.05
    """Share of the cap on splats that the shell may take at the start; 0 leaves it out."""
    distance: float = 50.0
    """Distance of the shell from the middle of the cameras, in distances of the farthest points."""


@dataclass(frozen=True, eq=False)
class SkyShell:
    """Where the shell is."""

    center: Tensor  # [3] world
    radius: float  # units of the dataset

    @classmethod
    def from_numbers(cls, numbers: Tensor | None) -> "SkyShell | None":
        """Of `numbers`, as checkpoints have them; none of none."""
        return None if numbers is None else cls(numbers[:3].cpu(), float(numbers[3]))

    @property
    def numbers(self) -> Tensor:
        """[4] center and radius."""
        return torch.cat([self.center, self.center.new_tensor([self.radius])])

    def holds(self, means: Tensor) -> Tensor:
        """Which of splats at [N, 3] are of the shell, [N] boolean: nothing else is half as far away."""
        return (means - self.center.to(means)).norm(dim=1) > self.radius / 2


def shell_around(center: Tensor, points: Tensor, least_reach: float, settings: SkySettings) -> SkyShell:
    """A shell well beyond points.

    Args:
        center: [3] of the cameras.
        points: [N, 3] of the scene, finite.
        least_reach: taken for the distance of the farthest points where that is less.
        settings: see there.
    """
    distances = (points - center).norm(dim=1)
    # The one of that rank: `quantile` refuses large clouds.
    farthest = distances.kthvalue(max(1, int(_REACH_QUANTILE * len(distances)))).values
    return SkyShell(center, settings.distance * max(float(farthest), least_reach))


def shell_splats(
    shell: SkyShell,
    directions: Tensor,
    colors: Tensor,
    sh_degree: int,
    generator: torch.Generator,
    lobes: int = 0,
) -> Splats:
    """Opaque disks on the shell, as large as what lies between them.

    Args:
        shell: see there.
        directions: [D, 3] unit, from its center.
        colors: [D, 3] in [0, 1].
        sh_degree: 0 to 3.
        generator: source of the orientations.
        lobes: of each splat.
    """
    points = shell.center + shell.radius * directions
    splats = splats_from_points(points, colors, sh_degree, len(points), generator, lobes, normals=-directions)
    return replace(splats, opacities=torch.full_like(splats.opacities, _OPACITY))


def together(parts: Sequence[Splats]) -> Splats:
    """All splats of several sets with harmonics and lobes alike."""
    return Splats(**{name: torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0])})
