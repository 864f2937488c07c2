"""In which frame and units an export is, and where on Earth that is.

By default an export is in the frame and scale of the dataset, so that it fits whatever else is known there. On request
it is centered in a ball of radius 1, for programs that expect their models so; the way back is in the record.

A dataset far from its origin, such as a survey's, is worked on in local coordinates (`geometry.local_origin`). Exports
come back to its own: as doubles where the format has them; local, with the origin in their head, where it has not.

A georeference says where the dataset's frame lies in a coordinate reference system: file or entry `georeference` of a
transforms.json, {"crs": "EPSG:25832", "offset": [x, y, z], "rotation": 3x3 (optional), "scale": number (optional)},
with place in the system = scale * rotation @ place in the dataset + offset. Coordinates in files stay local: float32
has 7 digits, and offsets of surveys take them all.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.local_origin import AT_ORIGIN
from splatkit.geometry.se3 import compose, is_rigid
from splatkit.io.json_files import read_json
from splatkit.io.mesh import Mesh
from splatkit.io.transforms_json import read_origin

FrameName = Literal["input", "normalized"]
_METERS = "m"
_STRAY_SHARE = 0.01  # of points that may lie outside the unit ball: a few far ones must not shrink the rest
_RIGID_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Georeference:
    """Place in a coordinate reference system = scale * rotation @ place in the dataset + offset."""

    crs: str
    offset: tuple[float, float, float]
    rotation: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    scale: float = 1.0

    def place(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Places [N, 3] in the system of points [N, 3] in the dataset's frame."""
        rotated = points.astype(np.float64) @ np.array(self.rotation).T
        return self.scale * rotated + np.array(self.offset)

    @property
    def is_offset_only(self) -> bool:
        """Whether adding the offset is all."""
        return self.scale == 1.0 and bool((np.array(self.rotation) == np.eye(3)).all())


@dataclass(frozen=True)
class ExportFrame:
    """exported = scale * (input - center)."""

    name: FrameName = "input"
    units: str = "scene units"  # of what is exported
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    georeference: Georeference | None = field(default=None)
    origin: tuple[float, float, float] = AT_ORIGIN  # of what is worked on, in the frame of the dataset's files

    def apply(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Exported places [N, 3] of places in the dataset's frame."""
        if self.name == "input":
            return points
        return (points - np.array(self.center)) * self.scale

    def place(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Exported places [N, 3] with the origin added, for files that hold doubles."""
        return points if not self.is_local else points.astype(np.float64) + np.array(self.origin)

    @property
    def is_local(self) -> bool:
        """Whether `apply` gives local coordinates, and `place` those of the dataset's files."""
        return self.name == "input" and any(self.origin)

    @property
    def local_warning(self) -> str:
        """For files that hold what `apply` gives although the dataset is far from its origin."""
        x, y, z = self.origin
        return f"single precision cannot hold this dataset's coordinates: local, add ({x:.12g}, {y:.12g}, {z:.12g})"

    def apply_to_mesh(self, mesh: Mesh) -> Mesh:
        """The mesh in the frame of the export."""
        sigmas = mesh.vertex_sigmas
        if sigmas is not None and self.name == "normalized":
            sigmas = (sigmas * self.scale).astype(np.float32)
        return replace(mesh, vertices=self.apply(mesh.vertices), vertex_sigmas=sigmas)

    @property
    def words(self) -> str:
        """For people."""
        if self.name == "input":
            return "that of the dataset's camera poses"
        return "centered, radius 1; the dataset's frame turned nowhere, moved and scaled"

    def comments(self, placed: bool = False) -> tuple[str, ...]:
        """Lines for the heads of files; `placed`: of those that hold what `place` gives."""
        lines = [f"units: {self.units}", f"frame: {self.words}"]
        if self.is_local and not placed:
            x, y, z = self.origin
            lines.append(f"local coordinates: add {x!r} {y!r} {z!r}")
        if self.name == "normalized":
            x, y, z = self.center
            lines.append(f"dataset = file / {self.scale!r} + ({x!r}, {y!r}, {z!r})")
        if self.georeference is not None and self.name == "input":
            x, y, z = self.georeference.offset
            how = "add" if self.georeference.is_offset_only else "see export.json; offset"
            lines.append(f"georeference: {self.georeference.crs}, {how} {x!r} {y!r} {z!r}")
        return tuple(lines)

    def record(self) -> dict[str, Any]:
        """For export.json."""
        out: dict[str, Any] = {"frame": self.words, "frame_name": self.name, "units": self.units}
        if self.name == "normalized":
            out["from_input"] = {"center": list(self.center), "scale": self.scale, "rule": "scale * (x - center)"}
        if self.is_local:
            out["local_origin"] = list(self.origin)
        if self.georeference is not None:
            out["georeference"] = asdict(self.georeference)
        return out


def export_frame(
    name: FrameName, points: NDArray[np.floating], dataset: Path, georeference: Path | None
) -> ExportFrame:
    """The frame for what has places [N, 3] in the dataset's frame; its units and georeference are looked up.

    Raises:
        FileNotFoundError, DatasetError: the georeference cannot be read.
    """
    reference = read_georeference(dataset, georeference)
    units = dataset_units(dataset)
    if name == "input":
        return ExportFrame("input", units, georeference=reference, origin=read_origin(dataset))
    low, high = np.quantile(points, (_STRAY_SHARE / 2, 1 - _STRAY_SHARE / 2), axis=0)
    center = (low + high) / 2
    radius = float(np.quantile(np.linalg.norm(points - center, axis=1), 1 - _STRAY_SHARE))
    scale = 1 / radius if radius > 0 else 1.0
    x, y, z = center.tolist()
    return ExportFrame("normalized", "radii of the scene", (x, y, z), scale, reference)


def dataset_units(dataset: Path) -> str:
    """ "m" where the dataset says so (capture.json, or the head of its cloud), else "scene units"."""
    folder = dataset if dataset.is_dir() else dataset.parent
    if (folder / "capture.json").is_file():
        record = read_json(folder / "capture.json")
        return _METERS if record.get("scale") == "metric" else "scene units"
    head = b""
    if (folder / "points.ply").is_file():
        with (folder / "points.ply").open("rb") as file:
            head = file.read(4096)
    return _METERS if b"comment units: m," in head or b"comment units: m\n" in head else "scene units"


def read_georeference(dataset: Path, path: Path | None) -> Georeference | None:
    """Of a file, else of the dataset; None where neither says.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: it is not one; the message names what is wrong.
    """
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected JSON with crs and offset")
        content = read_json(path)
        return _georeference(content.get("georeference", content), path)
    file = dataset / "transforms.json" if dataset.is_dir() else dataset
    content = read_json(file) if file.is_file() else {}
    if content.get("georeference") is None:
        return None
    return _georeference(content["georeference"], file)


def _georeference(entry: object, path: Path) -> Georeference:
    if not isinstance(entry, dict) or not isinstance(entry.get("crs"), str):
        raise DatasetError(f"{path}: georeference: expected an object with crs, as EPSG:25832, and offset [x, y, z]")
    try:
        offset = np.array(entry.get("offset"), dtype=np.float64)
        rotation = np.array(entry.get("rotation", np.eye(3).tolist()), dtype=np.float64)
        scale = float(entry.get("scale", 1.0))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path}: georeference: expected numbers ({error})") from error
    if offset.shape != (3,) or not np.isfinite(offset).all():
        raise DatasetError(f"{path}: georeference: offset: expected three numbers, got {entry.get('offset')}")
    if rotation.shape != (3, 3) or not is_rigid(compose(rotation, np.zeros(3)), _RIGID_TOLERANCE):
        raise DatasetError(f"{path}: georeference: rotation: expected a 3x3 rotation matrix")
    if not 0 < scale < np.inf:
        raise DatasetError(f"{path}: georeference: scale: expected a positive number, got {scale}")
    x, y, z = offset.tolist()
    return Georeference(entry["crs"], (x, y, z), tuple(tuple(row) for row in rotation.tolist()), scale)
