"""`splatkit export`: mesh and splats of a trained run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class ExportMesh:
    """Fuse the depth that a run renders into a mesh, in the frame and scale of the dataset; write its splats too.

    The folder gets mesh.ply, mesh.obj, mesh.glb, splats.ply and export.json.
    """

    load_config: Path
    """config.yml of the run. Loading one runs the code that it names: open only runs that you trust."""
    out: Path
    """Folder to make."""
    voxel_size: float | None = None
    """Edge of a voxel in units of the dataset; by default what the images resolve."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Render, fuse, write into a temporary folder, then rename it."""
        from rich.progress import track

        from splatkit.export.run_export import export_run
        from splatkit.export.surface import SurfaceSettings

        if self.voxel_size is not None and not self.voxel_size > 0:
            raise ValueError(f"--voxel-size: expected a positive length, got {self.voxel_size}")
        mesh = export_run(
            self.load_config,
            self.out,
            SurfaceSettings(voxel_size=self.voxel_size),
            overwrite=self.overwrite,
            progress=lambda steps, label: track(steps, label),
        )
        print(f"{self.out}: {len(mesh.vertices)} vertices, {len(mesh.faces)} faces")


@dataclass(frozen=True)
class ExportSplats:
    """Write a trained run's splats as .ply or .sog, in the frame and scale of the dataset.

    Viewers of Gaussian splats show both; what they pass over keeps the exact shape of each splat. A .sog is a tenth to
    a twentieth as large. The file is read back, and the held-out views are compared.
    """

    load_config: Path
    """config.yml of the run. Loading one runs the code that it names: open only runs that you trust."""
    out: Path
    """File to write, ending in .ply or .sog."""
    format: Literal["ply", "sog"] | None = None
    """By default what the name ends in."""
    min_contribution: float = 0.0
    """Leave out splats that add less than this many pixels to every training view."""
    palette_size: int | None = None
    """Entries for view-dependent colors in a .sog, at most 65536; fewer make it smaller."""
    viewer_degree: Literal[0, 1, 2, 3] = 3
    """Of a run with lobes: degree of the harmonics that other viewers show instead; 0 makes the file smallest."""
    overwrite: bool = False
    """Replace an existing file."""

    def run(self) -> None:
        """Write under a temporary name, then rename."""
        from splatkit.export.splat_export import export_splats

        done = export_splats(
            self.load_config,
            self.out,
            file_format=self.format,
            min_contribution=self.min_contribution,
            palette_size=self.palette_size,
            viewer_degree=self.viewer_degree,
            overwrite=self.overwrite,
        )
        print(f"{done.path}: {done.count} splats ({done.dropped} left out), {done.size / 1e6:.3f} MB")
        print(f"held-out views: {done.psnr_of_run:.2f} dB as trained, {done.psnr_of_file:.2f} dB from the file")


@dataclass(frozen=True)
class Export:
    """Turn a trained run into files that other programs read."""

    what: (
        Annotated[ExportMesh, tyro.conf.subcommand("mesh", prefix_name=False)]
        | Annotated[ExportSplats, tyro.conf.subcommand("splats", prefix_name=False)]
    )

    def run(self) -> None:
        """Run the export that was asked for."""
        self.what.run()
