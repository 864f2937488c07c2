"""Where cameras of Metashape lie: in meters east, north and up where the chunk has a place on Earth."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.poses.photogrammetry.text import floats
from splatkit.errors import DatasetError
from splatkit.geometry.geodesy import GEOCENTRIC, east_north_up, geocentric, geodetic, local_georeference
from splatkit.geometry.se3 import compose, is_rigid

Array = NDArray[np.float64]
Element = ElementTree.Element

_ON_EARTH_M = (6.2e6, 6.5e6)  # from the center of the Earth to whoever takes photographs
_WGS84 = re.compile(r"WGS[ _]?(19)?84|World Geodetic System 1984", re.IGNORECASE)
_GEOCENTRIC_WORDS = ("GEOGCS", "PROJCS", "GEOCCS", "COMPD_CS", "GEOGCRS", "PROJCRS")
_NAME = re.compile(r'^\s*\w+\["([^"]+)"')
_DATUM = re.compile(r'DATUM\["([^"]+)"')
_METER = re.compile(r'UNIT\["(metre|meter|m)"\s*,\s*1(\.0*)?\b', re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class World:
    """From component coordinates to the dataset: place = scale * rotation @ place in the component + translation."""

    scale: float
    rotation: Array  # [3, 3]
    translation: Array  # [3]
    frame: str  # in words
    is_metric: bool
    is_upright: bool  # z is up
    georeference: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def of(self, T_component_camera: Array) -> Array:
        """T_world_camera [4, 4]."""
        center = self.scale * self.rotation @ T_component_camera[:3, 3] + self.translation
        return compose(self.rotation @ T_component_camera[:3, :3], center)


def find_world(chunk: Element, component: str, poses: Sequence[Array], path: Path) -> World:
    """The world of a chunk's cameras.

    Args:
        chunk: with its transform, or those of components, and its reference.
        component: number of the one that cameras are of; empty: of none.
        poses: T_component_camera [4, 4] of them.
        path: for messages.

    Raises:
        DatasetError: a transform is damaged.
    """
    transform = _transform(chunk, component)
    if transform is None:
        return World(1.0, np.eye(3), np.zeros(3), "of Metashape's chunk, which has no reference", False, False)
    where = f"{path}: transform of the chunk"
    rotation, translation, scale = _parts(transform, where)
    reference = (chunk.findtext("reference") or "").strip()
    found = _NAME.match(reference)
    name = found[1] if found else ""
    centers = np.array([pose[:3, 3] for pose in poses]).reshape(-1, 3)
    places = scale * centers @ rotation.T + translation
    if not len(places) or not _is_on_earth(reference, places, path):
        is_metric = not reference or _METER.search(reference) is not None
        words = f"of the local coordinates {name!r} of Metashape" if name else "of Metashape's local coordinates"
        return World(scale, rotation, translation, words, is_metric, True)
    latitude, longitude, height = geodetic(places.mean(0))
    R_local = east_north_up(latitude, longitude).T
    origin = geocentric(np.array(latitude), np.array(longitude), np.array(height))
    crs, notes = _system(reference, name)
    return World(
        *(scale, R_local @ rotation, R_local @ (translation - origin)),
        frame=f"meters east, north and up of latitude {latitude:.7f}, longitude {longitude:.7f}, ellipsoidal height "
        f"{height:.2f} m, by Metashape's reference{f' ({name})' if name else ''}",
        is_metric=True,
        is_upright=True,
        georeference=local_georeference(latitude, longitude, height, "above the ellipsoid", crs),
        notes=notes,
    )


def _transform(chunk: Element, component: str) -> Element | None:
    """Of the component, or of the chunk, which had it before there were components."""
    for one in chunk.iterfind("components/component"):
        if one.get("id") == component and one.find("transform/rotation") is not None:
            return one.find("transform")
    own = chunk.find("transform")
    return own if own is not None and own.find("rotation") is not None else None


def _parts(transform: Element, where: str) -> tuple[Array, Array, float]:
    """Rotation [3, 3], translation [3] and scale."""
    rotation = floats(transform.findtext("rotation"), 9, where, "rotation").reshape(3, 3)
    translation = floats(transform.findtext("translation", "0 0 0"), 3, where, "translation")
    scale = float(floats(transform.findtext("scale", "1"), 1, where, "scale")[0])
    if not is_rigid(compose(rotation, np.zeros(3))) or scale <= 0:
        raise DatasetError(f"{where}: expected a rotation, row by row, and a positive scale")
    return rotation, translation, scale


def _is_on_earth(reference: str, places: Array, path: Path) -> bool:
    """Whether the world is geocentric: by the reference, and by how far from the center of the Earth cameras are."""
    distances = np.linalg.norm(places, axis=1)
    fits = bool((distances > _ON_EARTH_M[0]).all() and (distances < _ON_EARTH_M[1]).all())
    stated = reference.startswith(_GEOCENTRIC_WORDS)
    if stated and not fits:
        raise DatasetError(
            f"{path}: the chunk has a reference on Earth ({reference[:40]}...), and its cameras are "
            f"{distances.mean() / 1000:.0f} km from the center of the Earth: the transform is not that of the reference"
        )
    return fits


def _system(reference: str, name: str) -> tuple[str, tuple[str, ...]]:
    """The geocentric system's name, and what is said of it."""
    datum = _DATUM.search(reference)
    if not reference:
        return GEOCENTRIC, ("the file names no reference; by its coordinates it is geocentric, taken as WGS 84",)
    if datum is not None and _WGS84.search(datum[1]):
        return GEOCENTRIC, ()
    known = datum[1] if datum is not None else name
    return f"geocentric, {known}", (f"the georeference is geocentric in {known}, which may be off WGS 84 by meters",)
