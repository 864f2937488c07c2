"""`splatkit export mesh`: the surface of a trained run, colored by its photographs."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from splatkit.commands.progress import show_progress
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.export.texture.settings import TextureSettings

_WRAPPED_FACES = 200_000  # the texture shows what is finer


@dataclass(frozen=True)
class ExportMesh:
    """Make a mesh of a trained run and color it by the photographs, in the frame and scale of the dataset.

    The folder gets the mesh in each format, the splats as splats.ply, export.json with what it was made from and how
    good it is, report.html and a turntable video. Held-out photographs are compared with views of the mesh. A texture
    needs all training photographs: a missing one is named before the work begins. A mesh that is wrapped into an image
    is decimated to 200000 faces unless --max-faces or --max-deviation is given; the image keeps what they do not.
    """

    load_config: Path
    """config.yml of the run."""
    out: Path
    """Folder to make."""
    surface: SurfaceSettings = field(default_factory=SurfaceSettings)
    texture: TextureSettings = field(default_factory=TextureSettings)
    formats: tuple[Literal["ply", "obj", "glb", "stl"], ...] = ("ply", "obj", "glb")
    """Of the mesh: ply with vertex colors, obj and glb with the texture, stl with the bare shape."""
    frame: Literal["input", "normalized"] = "input"
    """Coordinates of the dataset, or centered in a ball of radius 1; export.json says how to get back."""
    georeference: Path | None = None
    """JSON with crs and offset (rotation, scale), kept in export.json; by default what transforms.json has."""
    no_splats: bool = False
    """Leave out splats.ply."""
    no_report: bool = False
    """Leave out report.html."""
    no_turntable: bool = False
    """Leave out turntable.mp4 and its first picture, turntable.png."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Render, fuse, color, write into a temporary folder, then rename it."""
        from splatkit.export.run_export import MeshExport, MeshExportSettings, export_run
        from splatkit.pages.mesh import show_export

        def show(folder: Path, export: MeshExport) -> None:
            show_export(
                folder, export, report=not self.no_report, turntable=not self.no_turntable, progress=show_progress
            )

        mesh = export_run(
            self.load_config,
            self.out,
            self._surface_to_wrap(),
            self.texture,
            MeshExportSettings(self.formats, self.frame, self.georeference, not self.no_splats),
            overwrite=self.overwrite,
            progress=show_progress,
            show=show,
        )
        print(f"{self.out}: {len(mesh.vertices)} vertices, {len(mesh.faces)} faces")

    def _surface_to_wrap(self) -> SurfaceSettings:
        surface = self.surface
        free = surface.max_faces is None and surface.max_deviation is None
        return replace(surface, max_faces=_WRAPPED_FACES) if free and self.texture.texture == "image" else surface
