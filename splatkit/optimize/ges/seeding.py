"""The first splats of a run: the seed cloud's, and a shell of sky around it where photographs show that nothing is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from splatkit.optimize.nerfstudio.console import tell
from splatkit.splatting.seeding import splats_from_points
from splatkit.splatting.sky_shell import SkySettings, SkyShell, shell_around, shell_splats, together
from splatkit.splatting.splats import Splats


@dataclass(frozen=True)
class Seeding:
    """How many splats there are at first, and of what kind."""

    max_splats: int
    """Cap on their count, sky and growth included."""
    seed_share: float
    """Largest share of the cap that a cloud with normals may take."""
    sh_degree: int
    """Degree of their spherical harmonics."""
    lobes: int
    """Spherical-beta lobes of each."""
    sky: SkySettings
    """How much of the cap goes to the sky, and how far away it is."""
    seed: int
    """Seed of the orientations."""

    def splats(
        self, points: Tensor, colors: Tensor, extent: float, metadata: Mapping[str, Any]
    ) -> tuple[Splats, SkyShell | None]:
        """The splats, and the shell of those that are sky; None where no photograph shows sky.

        Args:
            points: [N, 3] seed cloud, on the CPU.
            colors: [N, 3] in [0, 255].
            extent: of the scene, its units.
            metadata: of the dataparser `splatkit-data`; what it lacks is not used.
        """
        generator = torch.Generator().manual_seed(self.seed)
        sky, shell = self._sky(points, extent, metadata, generator)
        room = self.max_splats - (0 if sky is None else len(sky))
        normals = metadata.get("points3D_normals")
        count = max(1, room if normals is None else min(room, int(self.seed_share * self.max_splats)))
        if len(points) > count:
            tell(f"The seed cloud has {len(points)} points and is thinned on a grid to at most {count}.")
        splats = splats_from_points(
            points,
            colors / 255,
            self.sh_degree,
            count,
            generator,
            self.lobes,
            normals=normals,
            footprints=metadata.get("points3D_footprints"),
        )
        return (splats if sky is None else together([splats, sky])), shell

    def _sky(
        self, points: Tensor, extent: float, metadata: Mapping[str, Any], generator: torch.Generator
    ) -> tuple[Splats | None, SkyShell | None]:
        count = int(self.sky.share * self.max_splats)
        if "background_directions" not in metadata or count == 0:
            return None, None
        found = metadata["background_directions"](count)
        if len(found.directions) == 0:
            return None, None
        shell = shell_around(metadata["cameras_center"], points[points.isfinite().all(1)], extent, self.sky)
        return shell_splats(shell, found.directions, found.colors, self.sh_degree, generator, self.lobes), shell
