"""Descriptions of generated scenes: small TOML files, checked so that a typing error is named instead of ignored."""

import dataclasses
import sys
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from splatkit.errors import DatasetError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Color = tuple[float, float, float]
Vector = tuple[float, float, float]
T = TypeVar("T")

SHAPES = ("box", "stairs", "cylinder", "sphere", "torus", "terrain", "tree")
TEXTURE_KINDS = ("solid", "checker", "stripes", "noise", "text")


@dataclass(frozen=True)
class Texture:
    """Two colors mixed by a pattern, times grain."""

    kind: str  # one of TEXTURE_KINDS
    colors: tuple[Color, Color]  # sRGB in [0, 1]; of text: paper, ink
    size: float = 0.05  # m: cell, stripe width or wavelength
    grain: float = 0.12  # standard deviation of the relative noise on the albedo
    grain_size: float = 0.04  # m, its wavelength: 6 px in a 320 px wide image from 2 m
    waves: int = 12  # that noise and grain are each the sum of: with few of them, large surfaces look woven
    text: str = ""  # lines to print
    panel: tuple[float, float] = (0.1, 0.1)  # m: width and height of the printed area of each face

    def __post_init__(self) -> None:
        if self.kind not in TEXTURE_KINDS:
            raise ValueError(f"kind: expected one of {', '.join(TEXTURE_KINDS)}, got {self.kind!r}")


@dataclass(frozen=True)
class SceneObject:
    """A solid at its place; each shape uses the dimensions that it has."""

    name: str
    shape: str  # one of SHAPES
    texture: Texture
    position: Vector  # m, of the solid's center
    rotation_deg: Vector = (0.0, 0.0, 0.0)  # about x, then y, then z of the world
    size: Vector = (0.0, 0.0, 0.0)  # m, box and stairs
    radius: float = 0.0  # m, cylinder, sphere, torus and crown of a tree; where a terrain ends
    height: float = 0.0  # m, cylinder and tree; of the hills of a terrain
    flat_radius: float = 0.0  # m, terrain: how far it is all but even
    tube_radius: float = 0.0  # m, torus
    roughness: float = 0.0  # m, torus: standard deviation of the bumps
    steps: int = 0  # stairs
    gloss: float = 0.0  # strength of the highlight; 0 is matte

    def __post_init__(self) -> None:
        needed = {
            "box": (*self.size,),
            "stairs": (*self.size, self.steps),
            "cylinder": (self.radius, self.height),
            "sphere": (self.radius,),
            "torus": (self.radius, self.tube_radius),
            "terrain": (self.radius, self.height, self.flat_radius),
            "tree": (self.radius, self.height),
        }
        if self.shape not in needed:
            raise ValueError(f"shape: expected one of {', '.join(SHAPES)}, got {self.shape!r}")
        if min(needed[self.shape]) <= 0:
            raise ValueError(f"a {self.shape} needs all its dimensions, each positive")


@dataclass(frozen=True)
class Ring:
    """A circle of cameras around the target's vertical axis."""

    radius: float  # m
    height: float  # m, z of the cameras


@dataclass(frozen=True)
class CameraRig:
    """Cameras that look at one point from several heights."""

    target: Vector  # m
    horizontal_fov_deg: float
    rings: tuple[Ring, ...]


@dataclass(frozen=True)
class CameraMount:
    """A camera on a rig."""

    name: str  # its images are NAME_0000.png, ...
    position: Vector  # m, in the LiDAR's frame: x ahead, y left, z up
    yaw_deg: float  # of its view, to the left
    pitch_deg: float  # upward
    horizontal_fov_deg: float


@dataclass(frozen=True)
class SpinningLidar:
    """A LiDAR whose lasers, one above the other, turn clockwise."""

    rings: int
    elevation_deg: tuple[float, float]  # of the lowest and the highest laser
    columns: int  # measurements of each laser in a turn
    turns_per_s: float
    nearest_m: float
    farthest_m: float


@dataclass(frozen=True)
class Walk:
    """Someone walks round once with a LiDAR and cameras on it."""

    waypoints: tuple[tuple[float, float], ...]  # m, of a closed path
    height: float  # m, of the LiDAR
    speed: float  # m/s
    sway_deg: float  # amplitude of the rig's roll and pitch
    bob: float  # m, of its height
    lidar: SpinningLidar
    cameras: tuple[CameraMount, ...]


@dataclass(frozen=True)
class Drive:
    """A vehicle with fisheyes around it drives over the ground, z = 0."""

    waypoints: tuple[tuple[float, float], ...]  # m, of an open path
    speed: float  # m/s
    sway_deg: float  # standard deviation of the body's pitch and roll
    heave: float  # m, of its height
    distortion: tuple[float, float, float, float]  # k1 to k4 of each fisheye
    cameras: tuple[CameraMount, ...]  # in the vehicle's frame: x ahead, y left, z up from the ground


@dataclass(frozen=True)
class Light:
    """One distant lamp that casts hard shadows, and light from everywhere."""

    direction: Vector  # towards the lamp, any length
    diffuse: float
    ambient: float


@dataclass(frozen=True)
class SceneDescription:
    """A whole scene; coordinates in meters, z up."""

    name: str
    background: Color  # sRGB in [0, 1]: the same in all directions, or straight down if there is a zenith
    light: Light
    objects: tuple[SceneObject, ...]
    cameras: CameraRig | None = None  # round the scene ...
    walk: Walk | None = None  # ... or through it on foot
    drive: Drive | None = None  # ... or in a vehicle
    zenith: Color | None = None  # straight up, of an opaque backdrop; None: photographs from cameras are transparent

    def __post_init__(self) -> None:
        if [self.cameras, self.walk, self.drive].count(None) != 2:
            raise ValueError("expected one of these: cameras around the scene, a walk or a drive through it")


def find_scene(name: str) -> Path:
    """The file of a scene that comes with the package, or `name` itself if it is a path to a .toml file.

    An installed package has its scenes inside; in a source tree they lie beside it.
    """
    if name.endswith(".toml"):
        return Path(name)
    package = Path(__file__).resolve().parents[1]
    folders = (package / "scenes", package.parent / "scenes")
    for folder in folders:
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    known = sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml")})
    raise FileNotFoundError(f"{name}: no such scene; there are: {', '.join(known) or 'none'}; or give a .toml file")


def read_scene(path: Path) -> SceneDescription:
    """Read and check a description.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: not TOML, or an entry is unknown, missing or of the wrong kind; the message names it.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: not valid TOML ({error})") from error
    try:
        return _build(SceneDescription, {"name": path.stem, **values}, "scene")
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error


def _build(kind: type[T], values: object, where: str) -> T:
    """A dataclass from a table, recursively, with the fields' annotations as the schema."""
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected a table, got {values!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # T is one of the above
    if unknown := sorted(set(values) - set(fields)):
        raise ValueError(f"{where}: unknown entry {unknown[0]!r}; expected some of {', '.join(fields)}")
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    hints = typing.get_type_hints(kind)
    label = values.get("name", where)
    arguments = {name: _convert(hints[name], value, f"{label}: {name}") for name, value in values.items()}
    try:
        return kind(**arguments)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from error


def _convert(hint: Any, value: object, where: str) -> Any:
    """`value` as the annotated type: a dataclass, a tuple, a number or a text."""
    if isinstance(hint, types.UnionType):  # X | None: a file has no way to say None
        hint = typing.get_args(hint)[0]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, where)
    if isinstance(hint, types.GenericAlias):
        items = typing.get_args(hint)
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list, got {value!r}")
        if items[-1] is Ellipsis:
            items = (items[0],) * len(value)
        if len(items) != len(value) or not value:
            raise ValueError(f"{where}: expected {len(items) or 'some'} entries, got {len(value)}")
        return tuple(
            _convert(item, entry, f"{where}[{i}]") for i, (item, entry) in enumerate(zip(items, value, strict=True))
        )
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or isinstance(value, bool):
        raise ValueError(f"{where}: expected a {hint.__name__}, got {value!r}")
    return value
