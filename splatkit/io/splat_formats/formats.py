"""The kinds of files that hold splats. A kind more is a reader, a writer and one line in `SPLAT_FORMATS`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from splatkit.errors import DatasetError
from splatkit.io import splats as plain_ply
from splatkit.io.splat_formats.compressed_ply import is_compressed_ply, read_compressed_ply, write_compressed_ply
from splatkit.io.splat_formats.gltf_splats import has_gltf_splats, read_gltf_splats, write_gltf_splats
from splatkit.io.splat_formats.sog import read_sog, write_sog
from splatkit.io.splat_formats.splat import read_splat, write_splat
from splatkit.io.splat_formats.spz import read_spz, write_spz
from splatkit.io.splat_formats.streamed_sog import INDEX, read_streamed_sog, write_streamed_sog
from splatkit.io.splats import SplatArrays


@dataclass(frozen=True)
class SplatNotes:
    """What is said of splats beside their parameters, as far as a format has room for it."""

    comments: tuple[str, ...] = ()  # of the head: frame, units, georeference
    antialiased: bool = False  # trained for anti-aliased rendering
    palette_size: int | None = None  # entries for view-dependent colors in a .sog; None: by their count


@dataclass(frozen=True)
class SplatFormat:
    """One kind of file.

    Attributes:
        ending: of its files, lower case; the longest that fits decides. Streamed splats have a whole name.
        read: raises FileNotFoundError, and DatasetError, which names the file.
        write: written whole or not at all.
        holds: whether a file with this ending has splats; meshes and clouds may have the same ending.
        has_comments: whether the head keeps comments.
        has_exponents: whether they come back, and not the Gaussians nearest to the splats.
        has_lobes: whether they come back, and not spherical harmonics in their place.
        has_directions: whether colors that depend on the direction are kept.
    """

    ending: str
    read: Callable[[Path], SplatArrays]
    write: Callable[[Path, SplatArrays, SplatNotes], object]
    holds: Callable[[Path], bool] = lambda path: True
    has_comments: bool = False
    has_exponents: bool = False
    has_lobes: bool = False
    has_directions: bool = True

    def fits(self, name: str) -> bool:
        """Whether a file with this name, lower case, is of this kind."""
        return name.endswith(self.ending) if self.ending.startswith(".") else name == self.ending

    def losses(self, splats: SplatArrays) -> list[str]:
        """What the file will not hold of these splats, apart from digits."""
        lost = []
        if not self.has_exponents and (splats.betas != 2).any():
            lost.append("exponents: each splat is the Gaussian nearest to it")
        if not self.has_lobes and splats.lobes.shape[1]:
            lost.append("lobes: spherical harmonics stand for them")
        if not self.has_directions and splats.shN.shape[1]:
            lost.append("colors that depend on the direction")
        return lost


SPLAT_FORMATS: tuple[SplatFormat, ...] = (
    SplatFormat(
        ".ply",
        plain_ply.read_splats,
        lambda path, splats, notes: plain_ply.write_splats(path, splats, notes.comments),
        plain_ply.has_splats,
        has_comments=True,
        has_exponents=True,
        has_lobes=True,
    ),
    SplatFormat(
        ".sog",
        read_sog,
        lambda path, splats, notes: write_sog(
            path, splats, antialiased=notes.antialiased, palette_size=notes.palette_size
        ),
        has_exponents=True,
        has_lobes=True,
    ),
    SplatFormat(".spz", read_spz, lambda path, splats, notes: write_spz(path, splats, antialiased=notes.antialiased)),
    SplatFormat(
        ".compressed.ply",
        read_compressed_ply,
        lambda path, splats, notes: write_compressed_ply(path, splats, notes.comments),
        has_comments=True,
    ),
    SplatFormat(
        ".glb",
        read_gltf_splats,
        lambda path, splats, notes: write_gltf_splats(path, splats, notes.comments),
        has_gltf_splats,
        has_comments=True,
        has_exponents=True,
    ),
    SplatFormat(
        INDEX,
        read_streamed_sog,
        lambda path, splats, notes: write_streamed_sog(
            path, splats, antialiased=notes.antialiased, palette_size=notes.palette_size
        ),
        has_exponents=True,
        has_lobes=True,
    ),
    SplatFormat(".splat", read_splat, lambda path, splats, notes: write_splat(path, splats), has_directions=False),
)


def splat_format(path: Path) -> SplatFormat | None:
    """The kind of a file by its name alone; None where no splats are in files of such a name."""
    fitting = [kind for kind in SPLAT_FORMATS if kind.fits(path.name.lower())]
    return max(fitting, key=lambda kind: len(kind.ending), default=None)


def endings() -> str:
    """For messages: .ply, .sog, ... or .splat."""
    names = [kind.ending for kind in SPLAT_FORMATS]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def size_of(path: Path) -> int:
    """Bytes of a file of splats, and of the chunks beside it that it names."""
    if path.name != INDEX:
        return path.stat().st_size
    return sum(part.stat().st_size for part in path.parent.rglob("*") if part.is_file())


def holds_splats(path: Path) -> bool:
    """Whether a file that exists holds splats, by its name and, where that is not enough, its head."""
    kind = splat_format(path)
    return kind is not None and (kind.holds(path) or (kind.ending == ".ply" and is_compressed_ply(path)))


def read_splat_file(path: Path) -> SplatArrays:
    """Read splats from a file of any kind.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: of another kind, damaged or cut short; or the extra that reads it is missing.
    """
    path = Path(path)
    kind = splat_format(path)
    if kind is None:
        raise DatasetError(f"{path}: not a file of splats; expected {endings()}")
    if kind.ending == ".ply" and path.is_file() and is_compressed_ply(path):
        return read_compressed_ply(path)
    return kind.read(path)


def write_splat_file(path: Path, splats: SplatArrays, notes: SplatNotes | None = None) -> list[str]:
    """Write splats as the kind of file that its name says; returns what is lost, apart from digits.

    Raises:
        ValueError: no kind has such a name, or splats are not finite.
    """
    path, notes = Path(path), notes or SplatNotes()
    kind = splat_format(path)
    if kind is None:
        raise ValueError(f"{path}: splats are written as {endings()}; choose a name with such an ending")
    kind.write(path, splats, notes)
    lost = kind.losses(splats)
    return lost if kind.has_comments or not notes.comments else [*lost, "the frame and units of its coordinates"]
