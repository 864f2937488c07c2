"""`splatkit export mesh`: the surface of a trained run, colored by its photographs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from splatkit.export.texture_settings import TextureSettings


@dataclass(frozen=True)
class ExportMesh:
    """Make a mesh of a trained run and color it by the photographs, in the frame and scale of the dataset.

    The folder gets the mesh in each format, the splats as splats.ply, export.json with what it was made from and how
    good it is, report.html and a turntable video. Held-out photographs are compared with views of the mesh. A texture
    needs all training photographs: a missing one is named before the work begins.
    """

    load_config: Path
    """config.yml of the run. Loading one runs the code that it names: open only runs that you trust."""
    out: Path
    """Folder to make."""
    voxel_size: float | None = None
    """Edge of a voxel in units of the dataset; by default what the images resolve."""
    texture: TextureSettings = field(default_factory=TextureSettings)
    formats: tuple[Literal["ply", "obj", "glb", "stl"], ...] = ("ply", "obj", "glb")
    """Of the mesh: ply with vertex colors, obj and glb with the texture, stl with the bare shape."""
    frame: Literal["input", "normalized"] = "input"
    """Coordinates of the dataset, or centered in a ball of radius 1; export.json says how to get back."""
    georeference: Path | None = None
    """JSON with crs and offset (rotation, scale), kept in export.json; by default what transforms.json has."""
    splats: bool = True
    """Write splats.ply too."""
    report: bool = True
    """Write report.html."""
    turntable: bool = True
    """Write turntable.mp4 and its first picture, turntable.png."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Render, fuse, color, write into a temporary folder, then rename it."""
        from rich.progress import track

        from splatkit.commands.export_mesh_report import show_export
        from splatkit.export.fusion import FusionSettings
        from splatkit.export.run_export import MeshExport, MeshExportSettings, export_run
        from splatkit.export.surface import SurfaceSettings

        if self.voxel_size is not None and not self.voxel_size > 0:
            raise ValueError(f"--voxel-size: expected a positive length, got {self.voxel_size}")

        def progress(steps: Iterable[int], label: str) -> Iterable[int]:
            return track(steps, label, transient=True)

        def show(folder: Path, export: MeshExport) -> None:
            show_export(folder, export, report=self.report, turntable=self.turntable, progress=progress)

        mesh = export_run(
            self.load_config,
            self.out,
            SurfaceSettings(FusionSettings(voxel_size=self.voxel_size)),
            self.texture,
            MeshExportSettings(self.formats, self.frame, self.georeference, self.splats),
            overwrite=self.overwrite,
            progress=progress,
            show=show,
        )
        print(f"{self.out}: {len(mesh.vertices)} vertices, {len(mesh.faces)} faces")
