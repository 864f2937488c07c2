"""`splatkit export splats`: a trained run's splats as one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ExportSplats:
    """Write a trained run's splats as .ply or .sog, in the frame and scale of the dataset.

    Viewers of Gaussian splats show both; what they pass over keeps the exact shape of each splat. A .sog is a tenth to
    a twentieth as large. The file is read back, and the held-out views are compared.
    """

    load_config: Path
    """config.yml of the run."""
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
    frame: Literal["input", "normalized"] = "input"
    """Coordinates of the dataset, or centered in a ball of radius 1; the file's head says how to get back."""
    georeference: Path | None = None
    """JSON with crs and offset (rotation, scale), kept in the file's head; by default what transforms.json has."""
    overwrite: bool = False
    """Replace an existing file."""

    def run(self) -> None:
        """Write under a temporary name, then rename."""
        from splatkit.export.files.splat_export import export_splats

        done = export_splats(
            self.load_config,
            self.out,
            file_format=self.format,
            min_contribution=self.min_contribution,
            palette_size=self.palette_size,
            viewer_degree=self.viewer_degree,
            frame_name=self.frame,
            georeference=self.georeference,
            overwrite=self.overwrite,
        )
        print(f"{done.path}: {done.count} splats ({done.dropped} left out), {done.size / 1e6:.3f} MB")
        print(f"held-out views: {done.psnr_of_run:.2f} dB as trained, {done.psnr_of_file:.2f} dB from the file")
