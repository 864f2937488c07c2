"""What is known about a mesh's surface, drawn on it: the error of its colors, and how precise it is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatkit.export.run_export import MeshExport
from splatkit.io.mesh import Mesh
from splatkit.report.color_scale import ColorScale
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.mesh_views import render_mesh_views

ERROR_LIMIT = 0.2  # of the brightness range, at the far end of the scales of errors
_ELEVATION_DEG = 25.0
_SCALE_ENDS = (0.02, 0.98)  # quantiles of the sigmas that the scale spans
_LEAST_SPAN = 2.0  # ratio of a scale's ends


def add_error_on_surface(report: HtmlReport, export: MeshExport, azimuths: Sequence[float]) -> None:
    """The mesh in the colors of the error beside photographs."""
    comparison = export.comparison
    assert comparison is not None
    report.section("Where the colors are wrong")
    seen = np.isfinite(comparison.vertex_errors)
    of = "held-out photographs" if comparison.held_out else "some of the photographs that it was made from"
    report.text(
        f"The difference between the mesh and {of}, gathered on the surface: root mean square, after one factor for "
        "each channel of each photograph. Gray is what none of them shows: "
        f"{100 * (1 - seen.mean()):.0f} % of the vertices. "
        "A wrong shape differs too, for it puts colors in the wrong place; what is missing cannot be drawn here."
    )
    scale = ColorScale(0.0, ERROR_LIMIT, "color difference, share of the brightness range")
    _add_views(report, export.mesh, scale, comparison.vertex_errors, azimuths)


def add_sigmas(report: HtmlReport, export: MeshExport, azimuths: Sequence[float]) -> None:
    """The mesh in the colors of its standard deviations, and their quantiles."""
    sigmas, found = export.mesh.vertex_sigmas, export.record["mesh"]["vertex_sigmas"]
    assert sigmas is not None
    report.section("How precise the surface is")
    if found["median"] is None:
        report.text("The standard deviation of no vertex is known.")
        return
    units = export.frame.units
    report.numbers(
        [
            (f"{found['median']:.2g}", f"median standard deviation along the normal ({units})"),
            (f"{found['ninety_percent_below']:.2g}", f"not reached by 90 % of the vertices ({units})"),
            (f"{100 * found['known_share']:.0f} %", "of the vertices where it is known"),
        ]
    )
    report.text("What the measurements say about themselves; faults that they have in common do not show.")
    _add_views(report, export.mesh, _sigma_scale(sigmas, units), sigmas, azimuths)


def _sigma_scale(sigmas: NDArray[np.float32], units: str) -> ColorScale:
    """A scale on which most of the known sigmas lie."""
    known = sigmas[np.isfinite(sigmas) & (sigmas > 0)].astype(np.float64)
    low, high = np.quantile(known, _SCALE_ENDS).tolist() if len(known) else (1.0, 1.0)
    return ColorScale(low, max(high, _LEAST_SPAN * low), f"standard deviation along the normal ({units})", True)


def _add_views(
    report: HtmlReport, mesh: Mesh, scale: ColorScale, values: NDArray[np.float32], azimuths: Sequence[float]
) -> None:
    pictures = render_mesh_views(mesh, scale.colors(values), azimuths, _ELEVATION_DEG)
    report.figures(
        [Picture(image, f"from {azimuth % 360:.0f}°") for azimuth, image in zip(azimuths, pictures, strict=True)]
    )
    report.figures([Picture(scale.legend(), "scale")])
