"""The report of a mesh export: what it looks like, how true it is to photographs, and what it took."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.export.held_out import Comparison
from splatkit.export.run_export import MeshExport
from splatkit.io.atomic import atomic_file
from splatkit.io.images import to_uint8
from splatkit.pages.surface_pictures import ERROR_LIMIT, add_error_on_surface, add_sigmas
from splatkit.progress import Progress
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.mesh_views import render_mesh_views
from splatkit.report.plots import colorize_share
from splatkit.report.turnable import turnable_mesh
from splatkit.report.turntable import Turntable, write_turntable

_SIDES = np.array([0.1, 0.37, 0.63, 0.9])  # shares of the photographs' sides
_ATLAS_PX = 1024
_SHOWN_PX = 720  # of held-out photographs, twice what a page has room for


def write_mesh_pages(folder: Path, export: MeshExport, report: bool, turntable: bool, progress: Progress) -> None:
    """Add report.html and the turntable to the folder of an export."""
    around = Turntable(export.mesh)
    if turntable:
        start = float(around.azimuths(export.viewpoints, np.array([0.5]))[0])
        write_turntable(folder, around, start, progress=progress)
    if report:
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        page = mesh_report(export, around, sizes).render()
        with atomic_file(folder / "report.html") as temporary:
            temporary.write_text(page, encoding="utf-8")


def mesh_report(export: MeshExport, around: Turntable, sizes: Mapping[str, int]) -> HtmlReport:
    """Put the report together."""
    record = export.record
    topology = record["mesh"]
    closed = "watertight" if topology["watertight"] else f"open along {topology['boundary_edges']:,} edges"
    report = HtmlReport("Mesh export", f"{topology['faces']:,} triangles, {closed}; {export.frame.units}")
    report.section("At a glance")
    report.text(_sentence(export.verdict))
    report.numbers(_numbers(export))
    report.text(f"Frame: {export.frame.words}; units: {export.frame.units}.")
    report.section("From all sides")
    middle = float(around.azimuths(export.viewpoints, np.array([0.5]))[0])
    report.page(turnable_mesh(export.mesh, middle))
    report.text("Drag to turn, scroll to zoom, drag with the right button to move. Large meshes are decimated here.")
    azimuths = around.azimuths(export.viewpoints, _SIDES).tolist()
    report.figures([Picture(around.picture(azimuth), f"from {azimuth % 360:.0f}°") for azimuth in azimuths])
    bare = render_mesh_views(export.mesh, None, azimuths, 25.0)
    report.text("The bare shape below; what is seen from inside is reddish.")
    report.figures([Picture(image, "shape") for image in bare])
    if export.comparison is not None:
        _add_comparison(report, export.comparison)
        add_error_on_surface(report, export, azimuths)
    if export.mesh.vertex_sigmas is not None:
        add_sigmas(report, export, azimuths)
    if export.mesh.texture is not None:
        _add_texture(report, export)
    _add_surface(report, record)
    report.section("Costs and files")
    report.table(("step", "wall"), [(name, f"{seconds:.1f} s") for name, seconds in record["seconds"].items()])
    report.table(("file", "size"), [(name, f"{size / 1e6:.2f} MB") for name, size in sizes.items()])
    return report


def _numbers(export: MeshExport) -> list[tuple[str, str]]:
    record, numbers = export.record, []
    if export.comparison is not None:
        means = export.comparison.means()
        beside = "held-out photographs" if export.comparison.held_out else "photographs that it was made from"
        numbers += [
            (f"{means.psnr_all:.2f} dB", f"PSNR of the mesh's views beside {beside}, over all pixels"),
            (f"{means.psnr:.2f} dB", "the same, where the mesh is"),
            (f"{100 * means.coverage:.0f} %", "of these photographs covered by the mesh"),
        ]
    numbers.append((f"{record['mesh']['faces']:,}", "triangles"))
    if "seen_share" in record["texture"]:
        numbers.append((f"{100 * record['texture']['seen_share']:.0f} %", "of the surface seen by photographs"))
    return numbers


def _add_comparison(report: HtmlReport, comparison: Comparison) -> None:
    report.section("Held-out photographs" if comparison.held_out else "Photographs that it was made from")
    whose = "Photographs that nothing was made from"
    if not comparison.held_out:
        whose = "No photograph was held out: some that the mesh was made from, which flatter it"
    report.text(
        f"{whose}; the mesh from the same place; and the difference (bright is {ERROR_LIMIT:g} of the brightness range "
        f"or more). The worst comes first; what is larger than {_SHOWN_PX} px is averaged down. Over all pixels, what "
        "the mesh leaves open is black, and so is a photograph where it is transparent. The figure in brackets is "
        "after one factor for each channel, because photographs differ in exposure."
    )
    for shown in comparison.shown:
        target = shown.photograph.over_black()
        judged = shown.photograph.unmasked()
        error = np.where(judged, np.abs(shown.view.image - target).mean(-1) / ERROR_LIMIT, 0).astype(np.float32)
        score = shown.score
        report.figures(
            [
                Picture(to_uint8(_fitting(target, _SHOWN_PX)), shown.name),
                Picture(
                    to_uint8(_fitting(shown.view.image, _SHOWN_PX)),
                    f"{score.psnr_all:.2f} dB over all pixels, {score.psnr:.2f} dB ({score.psnr_exposed:.2f}) where "
                    f"the mesh is, {100 * score.coverage:.0f} % covered",
                ),
                Picture(colorize_share(_fitting(error, _SHOWN_PX)), f"difference; most: {shown.place()}"),
            ]
        )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _add_texture(report: HtmlReport, export: MeshExport) -> None:
    assert export.mesh.texture is not None
    record, image = export.record["texture"], export.mesh.texture.image
    report.section("Texture")
    for failure in record["unwrapping_failures"]:
        report.text(f"Warning: unwrapping by {failure}.")
    report.text(
        f"{record['size']} x {record['size']} px from {record['photographs']} photographs, unwrapped by "
        f"{record['unwrapping']}. Their exposures lie between {record['exposures_stops']['lowest']:+.2f} and "
        f"{record['exposures_stops']['highest']:+.2f} stops of the average and were made equal."
    )
    report.figures([Picture(_fitting(image, _ATLAS_PX), "the image"), Picture(_places(export), "triangles in it")])


def _add_surface(report: HtmlReport, record: Mapping[str, Any]) -> None:
    report.section("Shape")
    mesh = record["mesh"]
    rows = [(name.replace("_", " "), f"{value:,}") for name, value in mesh.items() if type(value) is int]
    rows.append(("area", f"{mesh['area']:.4g} ({record['units']})²"))
    low, high = mesh["bounds"]
    rows.append(("extent", " x ".join(f"{b - a:.4g}" for a, b in zip(low, high, strict=True))))
    report.table(("", ""), rows)


def _fitting(image: NDArray[Any], longest_side: int) -> NDArray[Any]:
    """A picture [H, W, ...] that is averaged down where it is larger."""
    scale = longest_side / max(image.shape[:2])
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _places(export: MeshExport) -> NDArray[np.uint8]:
    """Where the triangles lie in the texture."""
    texture = export.mesh.texture
    assert texture is not None
    picture = np.full((_ATLAS_PX, _ATLAS_PX, 3), 255, np.uint8)
    corners = np.stack([texture.uvs[:, 0], 1 - texture.uvs[:, 1]], -1)[texture.faces] * _ATLAS_PX
    cv2.polylines(picture, list(np.round(corners).astype(np.int32)), True, (48, 86, 211))  # two colors: a small file
    return picture
