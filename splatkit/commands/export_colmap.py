"""`splatkit export colmap`: a dataset as a COLMAP model."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ExportColmap:
    """Write the cameras, images and seed cloud of a dataset as a COLMAP model, for programs that start from one.

    The folder gets cameras.bin, images.bin and points3D.bin, and the same as text in the folder text. Images are named
    by their paths in the dataset and stay where they are. No trained run is needed.
    """

    data: Path
    """Folder with a transforms.json, or the file itself."""
    out: Path
    """Folder to make, often called sparse/0."""
    max_points: int = 1_000_000
    """Of more points in the seed cloud, so many are kept, evenly chosen."""
    allow_outside: bool = False
    """Accept images that lie outside of the dataset's folder."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Convert, write into a temporary folder, then rename it."""
        from splatkit.export.files.colmap_export import export_colmap

        if self.max_points < 1:
            raise ValueError(f"--max-points: expected at least 1, got {self.max_points}")
        done = export_colmap(
            self.data,
            self.out,
            max_points=self.max_points,
            allow_outside=self.allow_outside,
            overwrite=self.overwrite,
        )
        print(f"{self.out}: cameras: {done.cameras}, images: {done.images}, points: {done.points}")
