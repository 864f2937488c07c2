"""`splatkit export points`: the surface of a trained run as a point cloud."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from splatkit.commands.progress import show_progress
from splatkit.export.surface.settings import SurfaceSettings


def _fused() -> SurfaceSettings:
    """Points need no fine triangles."""
    return SurfaceSettings(refinement_rounds=0)


@dataclass(frozen=True)
class ExportPoints:
    """Write the surface of a trained run as points with normals, evenly spread, in the colors of the photographs.

    A .ply holds coordinates of the dataset; a .las or .laz (they need the extra `las`) those of the georeference, if
    there is one. Neighboring points are about as far apart as the square root of the area over their number.
    """

    load_config: Path
    """config.yml of the run."""
    out: Path
    """File to write, ending in .ply, .las or .laz."""
    count: int = 1_000_000
    """Number of points."""
    surface: SurfaceSettings = field(default_factory=_fused)
    frame: Literal["input", "normalized"] = "input"
    """Coordinates of the dataset, or centered in a ball of radius 1."""
    georeference: Path | None = None
    """JSON with crs and offset (rotation, scale); by default what transforms.json has."""
    overwrite: bool = False
    """Replace an existing file."""

    def run(self) -> None:
        """Render, fuse, draw points, write under a temporary name, then rename."""
        from splatkit.export.files.point_export import export_points

        done = export_points(
            self.load_config,
            self.out,
            self.surface,
            self.count,
            frame=self.frame,
            georeference=self.georeference,
            overwrite=self.overwrite,
            progress=show_progress,
        )
        print(f"{done.path}: {done.count} points in {done.units}, {done.seen_share:.0%} colored by photographs")
