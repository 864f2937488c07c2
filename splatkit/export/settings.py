"""What the exports and their commands take; apart from the code that does it, so that commands start at once."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import tyro

from splatkit.errors import SettingsError
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.export.texture.settings import TextureSettings

_WRAPPED_FACES = 200_000  # the texture shows what is finer


def check_what_to_export(load_config: Path | None, dataset: Path | None) -> None:
    """Refuse settings that name no run and no dataset, or both, by a SettingsError."""
    if (load_config is None) == (dataset is None):
        raise SettingsError(
            "load_config, dataset: pass one of the two: --load-config with the config.yml of a trained run, or "
            "--dataset with a folder whose photographs have depth maps"
        )


@dataclass(frozen=True, kw_only=True)
class ExportMeshSettings:
    """Make a mesh of a trained run, or of a dataset with depth maps, and color it by the photographs.

    It is in the frame and scale of the dataset. A dataset with depths of stereo needs no training:
    pass it as --dataset instead of a run; depths of a LiDAR alone are too sparse.

    The folder gets the mesh in each format, the splats as splats.ply, export.json with what it was made from and how
    good it is, report.html and a turntable video. Views of the mesh are compared with held-out photographs, and one
    line says where it is bad. A texture needs all training photographs: a missing one is named before the work begins.
    A mesh that is wrapped into an image is decimated to 200000 faces unless --max-faces or --max-deviation is given;
    the image keeps what they do not.
    """

    load_config: Path | None = None
    """config.yml of the run."""
    dataset: Path | None = None
    """Instead of a run: folder with the transforms.json of a dataset that has depth maps, or the file itself."""
    out: Path
    """Folder to make."""
    object: bool = False
    """Cut what was photographed from around from the table or ground that it stands on, alone, and close it
    watertight; its size and volume are printed. Without such a thing the export is refused."""
    surface: SurfaceSettings = field(default_factory=SurfaceSettings)
    texture: TextureSettings = field(default_factory=TextureSettings)
    formats: tuple[Literal["ply", "obj", "glb", "stl", "usdz"], ...] = ("ply", "obj", "glb")
    """Files to write: ply with vertex colors, obj, glb and usdz with the texture, stl with the bare shape."""
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

    def __post_init__(self) -> None:
        check_what_to_export(self.load_config, self.dataset)

    def surface_to_wrap(self) -> SurfaceSettings:
        """The surface's settings, with the bound on faces that a wrapped mesh has where nothing is said."""
        free = self.surface.max_faces is None and self.surface.max_deviation is None
        bounded = free and self.texture.texture == "image"
        return replace(self.surface, max_faces=_WRAPPED_FACES) if bounded else self.surface


@dataclass(frozen=True)
class ExportSplatsSettings:
    """Write a trained run's splats as .ply, .sog, .spz, .compressed.ply, .glb, .splat or lod-meta.json.

    They keep the frame and scale of the dataset. A .ply or .sog also holds the exact shape of each splat, which viewers
    of Gaussians ignore; the others hold the nearest Gaussians. A .sog or .spz is a tenth to a twentieth as large. The
    file is read back, and the held-out views are compared. FOLDER/lod-meta.json is streamed SOG: parts of space in
    levels of detail, of which viewers load what the distance is worth.
    """

    load_config: Path
    """config.yml of the run."""
    out: Path
    """File to write; its ending says what kind it is."""
    min_contribution: float = 0.0
    """Leave out splats that add less than this many pixels to every training view."""
    palette_size: int | None = None
    """Entries for view-dependent colors in a .sog, at most 65536; fewer make it smaller."""
    viewer_degree: Literal[0, 1, 2, 3] = 3
    """SH degree that other viewers show for a run with lobes; 0 makes the file smallest."""
    frame: Literal["input", "normalized"] = "input"
    """Coordinates of the dataset, or centered in a ball of radius 1; the file's head says how to get back."""
    georeference: Path | None = None
    """JSON with crs and offset (rotation, scale), kept in the file's head; by default what transforms.json has."""
    overwrite: bool = False
    """Replace an existing file."""


@dataclass(frozen=True)
class ConvertSettings:
    """Write splats, a mesh, a cloud, cameras or a trajectory of any program as another kind of file, in the same frame.

    Splats: .ply, .sog, .spz, .compressed.ply, .glb, .splat, lod-meta.json. Meshes: .ply, .obj, .glb, .stl and, written
    alone, .usdz, without their textures.
    Clouds: to .ply, from everything that scans are read from; scans with poses become one cloud.
    Cameras: from everything that `capture images --poses` reads to transforms.json, to a folder with a COLMAP model, or
    to a trajectory (.tum). Trajectories: .tum or .txt, .kitti and .csv.
    """

    input: tyro.conf.Positional[Path]
    """File to read."""
    output: tyro.conf.Positional[Path]
    """File to write; its ending says what kind it is."""
    images: Path | None = None
    """For cameras: folder of the photographs, where it is not beside their file."""
    overwrite: bool = False
    """Replace an existing file."""


def _fused_surface() -> SurfaceSettings:
    """Points need no fine triangles."""
    return SurfaceSettings(refinement_rounds=0)


@dataclass(frozen=True, kw_only=True)
class ExportPointsSettings:
    """Write the surface of a trained run, or of a dataset with depth maps, as points with normals and colors.

    They are evenly spread and have the colors of the photographs.

    A .ply holds coordinates of the dataset; a .las or .laz (they need the extra `las`) those of the georeference, if
    there is one. Neighboring points are about as far apart as the square root of the area over their number.
    """

    load_config: Path | None = None
    """config.yml of the run."""
    dataset: Path | None = None
    """Instead of a run: folder with the transforms.json of a dataset that has depth maps, or the file itself."""
    out: Path
    """File to write, ending in .ply, .las or .laz."""
    count: int = 1_000_000
    """Number of points."""
    surface: SurfaceSettings = field(default_factory=_fused_surface)
    frame: Literal["input", "normalized"] = "input"
    """Coordinates of the dataset, or centered in a ball of radius 1."""
    georeference: Path | None = None
    """JSON with crs and offset (rotation, scale); by default what transforms.json has."""
    overwrite: bool = False
    """Replace an existing file."""

    def __post_init__(self) -> None:
        check_what_to_export(self.load_config, self.dataset)


@dataclass(frozen=True)
class ExportColmapSettings:
    """Write the cameras, images and seed cloud of a dataset as a COLMAP model, for programs that start from one.

    The folder gets cameras.bin, images.bin and points3D.bin, and the same as text in the folder text. Images are named
    by their paths in the dataset and stay where they are. No trained run is needed.
    """

    data: Path
    """Folder with a transforms.json, or the file itself."""
    out: Path
    """Folder to make, often called sparse/0."""
    max_points: int = 1_000_000
    """Maximum number of points; a larger seed cloud is thinned evenly."""
    allow_outside: bool = False
    """Accept images that lie outside of the dataset's folder."""
    overwrite: bool = False
    """Replace an existing folder."""
