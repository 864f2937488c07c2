"""Held-out photographs in the report of a mesh: small enough for a mail, and errors as large as they are."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from splatkit.evaluation.mesh_rendering import MeshView
from splatkit.evaluation.view_scores import ViewScore
from splatkit.export.held_out import ComparedView, Comparison
from splatkit.export.texture.photographs import Photograph
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.pages.mesh import _add_comparison
from splatkit.report.html import HtmlReport

ERROR = 0.1  # half of what is brightest in an error map


def compared(width, height):
    """A view that is brighter than its photograph by ERROR on its left half; a strip at the right is masked."""
    rows, columns = np.mgrid[:height, :width]
    waves = 120 + 60 * np.stack([np.sin(rows / 30), np.cos(columns / 25), np.sin((rows - columns) / 40)], -1)
    camera = Camera("pinhole", width, height, width, width, width / 2, height / 2)
    opacities = np.where(columns < 0.9 * width, 1, np.nan).astype(np.float32)
    image = waves.astype(np.uint8)
    photograph = Photograph(PosedCamera("one", camera, np.eye(4)), image, np.isfinite(opacities), opacities)
    view = photograph.over_black() + ERROR * (columns < width / 2)[..., None]
    return ComparedView("one", photograph, MeshView(view.astype(np.float32), np.ones_like(opacities)), score())


def score():
    return ViewScore(20.0, 20.0, 1.0, 20.0)


@pytest.mark.parametrize(("size", "shown"), [((320, 240), (320, 240)), ((1440, 1080), (720, 540))])
def test_photographs_are_reduced_and_errors_stay_as_large(size, shown):
    report = HtmlReport("a", "b")
    _add_comparison(report, Comparison(True, {"one": score()}, (compared(*size),), np.zeros(3, np.float32)))
    found = re.findall(r"data:image/(\w+);base64,([A-Za-z0-9+/=]+)", report.render())
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB") for _, data in found]
    assert [picture.size for picture in pictures] == [shown] * 3
    assert found[2][0] == "png"
    error = np.asarray(pictures[2]).astype(int).sum(-1)
    half = error[:, : shown[0] // 2 - 1]
    assert np.ptp(half) <= 3 * 3  # the same all over: a step of the color map
    assert 200 < half.mean() < 500  # in the middle of it
    assert error[:, shown[0] // 2 + 1 :].max() < 10  # none, and none where it is masked
