"""Which kinds of photographs are read, by their suffixes; some need a library that comes with an extra."""

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PLAIN_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")  # read without any extra
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
RAW_SUFFIXES = (
    *(".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".3fr", ".iiq"),
)
RAW_TWINS = "left out, raw: the developed photograph of the same name is used"


@dataclass(frozen=True)
class Extra:
    """An extra of splatkit that brings what reads some kinds."""

    name: str  # as pip install 'splatkit[NAME]'
    module: str  # that does it
    suffixes: tuple[str, ...]

    @property
    def is_installed(self) -> bool:
        """Whether its library is there."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def advice(self) -> str:
        """What to do where it is not."""
        return f"pip install 'splatkit[{self.name}]'"


HEIF = Extra("heif", "pi_heif", HEIF_SUFFIXES)
RAW = Extra("raw", "rawpy", RAW_SUFFIXES)


def readable_suffixes() -> tuple[str, ...]:
    """What names of images end in that can be read with what is installed."""
    return (*PLAIN_SUFFIXES, *(suffix for extra in (HEIF, RAW) if extra.is_installed for suffix in extra.suffixes))


def missing_extra(suffix: str) -> Extra | None:
    """The extra that would read a kind, where it is not installed."""
    return next((extra for extra in (HEIF, RAW) if suffix.lower() in extra.suffixes and not extra.is_installed), None)


def raw_twins(paths: Iterable[Path]) -> set[Path]:
    """The raw files among paths that lie beside a developed photograph of the same name, as IMG_1.DNG and IMG_1.JPG."""
    paths = list(paths)
    kinds = set(readable_suffixes()) - set(RAW_SUFFIXES)  # of the files of one name some say how a raw file was edited
    developed = {_name_of(path) for path in paths if path.suffix.lower() in kinds}
    return {path for path in paths if path.suffix.lower() in RAW_SUFFIXES and _name_of(path) in developed}


def _name_of(path: Path) -> tuple[Path, str]:
    return path.parent, path.stem.lower()
