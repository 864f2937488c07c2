"""How a mesh is made of a run; apart from the code that does it, so that commands start at once."""

from dataclasses import dataclass
from typing import Literal

from splatkit.errors import SettingsError

SurfaceKind = Literal["measured", "rendered", "both"]


@dataclass(frozen=True)
class SurfaceSettings:
    """How a mesh is made of a run. Lengths are in units of the dataset."""

    surface: SurfaceKind = "both"
    """What the mesh is made of: depths measured in the photographs (stereo, LiDAR), depths rendered of the run, or both
    together, each weighted by how precise it is; without measured depths, both is what is rendered."""
    voxel_size: float | None = None
    """Edge of a voxel; by default 1.5 footprints of a median pixel, or more to keep within memory and cells."""
    max_view_pixels: int = 400_000
    """Maximum number of pixels of a rendered view, however large the photographs are."""
    max_depth: float | None = None
    """What is farther from the camera is left out; by default three times the median depth, or more where 95 % of the
    measured depths lie within more, up to ten times."""
    min_alpha: float = 0.5
    """Below this opacity a pixel shows more background than surface."""
    max_incidence_deg: float = 80.0
    """Surfaces seen more from their side do not count, nor the false ones across depth edges."""
    min_views: int = 2
    """A surface that fewer views agree on is dropped."""
    truncation_voxels: float = 4.0
    """Half width of the band round surfaces in which views are averaged; thinner parts lose their two sides."""
    memory_limit_gb: float = 1.5
    """Memory for the fused field; an automatic voxel size grows until it fits."""
    max_cells: int = 250_000
    """About how many voxels the surface may pass, two faces each; an automatic voxel size grows until that holds."""
    refinement_rounds: int = 5
    """How long FlexiCubes are fitted to what the views see; 0 leaves the fused field as it is, more is slower."""
    photo_max_pixels: int = 1_000_000
    """Photographs are compared on the surface and move it to where they agree, in all rounds of refinement but the
    first. Larger ones are averaged down to this number of pixels; 0 leaves them out."""
    min_confidence: float = 0.0
    """Faces with a less certain corner are dropped: confidence is 1 / (1 + (sigma / voxel size)^2) of the standard
    deviation that each vertex has in the file; a half for a voxel. 0 keeps all."""
    min_component_share: float = 0.002
    """Connected pieces with a smaller share of the whole area are dropped, and those that no camera sees."""
    max_distance_from_points: float | None = None
    """What lies farther from every point of the dataset's cloud is dropped: of a LiDAR's cloud, sky and reflections. By
    default, of measured and rendered depths together, what is a quarter of the measured extent away from all that was
    measured."""
    fill_voxels: int = 4
    """The surface is continued by this number of voxels where no view knows a depth and none looks through: holes up to
    twice as wide are closed. What is filled has a wide standard deviation, or none. 0 leaves holes open."""
    close_holes: float = 0.0
    """Holes up to this extent are closed; 0 leaves all open."""
    max_faces: int | None = None
    """Decimate to this number of faces."""
    max_deviation: float | None = None
    """Decimate only as far as both surfaces stay within this distance, whatever `max_faces` says."""
    watertight: bool = False
    """Make the mesh a closed manifold: branching faces are dropped, all holes closed, and the record says which."""

    def __post_init__(self) -> None:
        positive = ["voxel_size", "max_depth", "truncation_voxels", "memory_limit_gb", "max_deviation"]
        positive.append("max_distance_from_points")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise SettingsError(f"{name}: expected a positive number, got {value}")
        for name, least in (
            ("max_view_pixels", 64),
            ("min_views", 1),
            ("max_cells", 100),
            ("max_faces", 4),
            ("refinement_rounds", 0),
            ("photo_max_pixels", 0),
            ("fill_voxels", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingsError(f"{name}: expected at least {least}, got {value}")
        for name, low, high in (
            ("min_alpha", 0, 1),
            ("max_incidence_deg", 1, 89),
            ("min_component_share", 0, 1),
            ("min_confidence", 0, 1),
        ):
            if not low <= getattr(self, name) <= high:
                raise SettingsError(f"{name}: expected {low} to {high}, got {getattr(self, name)}")
        if self.min_confidence > 0 and self.refinement_rounds == 0:
            raise SettingsError("min_confidence: confidence comes from refinement; set refinement_rounds to at least 1")
        if not self.close_holes >= 0:
            raise SettingsError(f"close_holes: expected a length from 0, got {self.close_holes}")
