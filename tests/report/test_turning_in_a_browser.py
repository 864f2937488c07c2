"""Pages to turn, in a browser: they draw, follow the mouse, and ask for nothing.

SPLATKIT_BROWSER names the folder where `npm install --prefix` put @sparticuz/chromium and puppeteer-core, as `.ci/run`
does it.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from splatkit.geometry.se3 import compose
from splatkit.io.images import read_image
from splatkit.io.mesh import Mesh, Texture
from splatkit.io.meshes import write_mesh
from splatkit.report.html import HtmlReport, Picture
from splatkit.report.turnable import turnable_glb, turnable_mesh, turnable_points

DRIVER = Path(__file__).with_name("browser.mjs")
BROWSER = os.environ.get("SPLATKIT_BROWSER")
RED, BLUE, CAMERA = (220, 30, 30), (30, 30, 220), (228, 87, 46)
APART = 100  # between the red and the blue of a pixel that is one or the other, edges and gaps included
NEAR = 40  # to the color of cameras: red is farther

pytestmark = pytest.mark.skipif(BROWSER is None, reason="SPLATKIT_BROWSER names no folder with Chromium, see .ci/run")


def halves(points: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Red where x > 0, else blue."""
    return np.where(points[:, :1] > 0, RED, BLUE).astype(np.uint8)


def mesh_page() -> str:
    ball = trimesh.creation.icosphere(3)
    mesh = Mesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int64), halves(ball.vertices))
    return turnable_mesh(mesh, azimuth_deg=0.0)


def textured_page(folder: Path) -> str:
    """A plate with a texture that is red and blue, as a file."""
    corners = np.array([[0.0, -1, -1], [0, 1, -1], [0, 1, 1], [0, -1, 1]])
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :16], image[:, 16:] = BLUE, RED
    uvs, faces = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), np.array([[0, 1, 2], [0, 2, 3]])
    write_mesh(folder / "plate.glb", Mesh(corners, faces, texture=Texture(image, uvs, faces, ".png")))
    return turnable_glb((folder / "plate.glb").read_bytes(), corners)


def points_page() -> str:
    points = np.random.default_rng(0).normal(size=(100_000, 3))  # three of four hide the far side
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    down = compose(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 2.5]))  # a camera above that looks down
    return turnable_points(points, halves(points), down[None], azimuth_deg=0.0)


def write_report(path: Path, *pages: str) -> None:
    report = HtmlReport("A report", "with views to turn")
    report.section("Views")
    report.figures([Picture(np.full((20, 30, 3), 200, np.uint8), "a picture")])
    for page in pages:
        report.page(page)
    path.write_text(report.render(), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def seen(folder) -> dict[str, Any]:
    """What the driver says of a report of a mesh, one of points and cameras, and a page with everything wrong."""
    write_report(folder / "mesh.html", mesh_page())
    write_report(folder / "points.html", points_page())
    write_report(folder / "textured.html", textured_page(folder))
    broken = '<img src="https://example.invalid/x.png"><script>nowhere();</script>'
    write_report(folder / "broken.html", broken)
    assert BROWSER is not None
    files = [str(folder / name) for name in ("mesh.html", "points.html", "textured.html", "broken.html")]
    with DRIVER.open(encoding="utf-8") as program:
        done = subprocess.run(
            ["node", "--input-type=module", "-", str(folder), *files],
            stdin=program,
            cwd=BROWSER,  # where node looks for packages
            env={**os.environ, "TMPDIR": BROWSER},  # where Chromium is unpacked
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def pixels(folder: Path, name: str) -> NDArray[np.int64]:
    """[H, W, 3] of a picture."""
    return read_image(folder / f"{name}.png")[..., :3].astype(np.int64)


def red_and_blue(folder: Path, name: str) -> NDArray[np.float64]:
    """Their shares of a picture."""
    redder = pixels(folder, name) @ (1, 0, -1)
    return np.array([(redder > APART).mean(), (redder < -APART).mean()])


@pytest.mark.parametrize("kind", ["mesh", "points"])
def test_a_view_is_drawn_and_turns_with_the_mouse(seen, folder, kind):
    (view,) = seen[f"{kind}.html"]["views"]
    red, blue = red_and_blue(folder, f"{view}_before")
    assert red + blue > 0.02
    assert red > 2 * blue  # the side that was asked for
    red, blue = red_and_blue(folder, f"{view}_after")
    assert red + blue > 0.02
    assert blue > 0.5 * red


def test_a_texture_is_drawn(seen, folder):
    (view,) = seen["textured.html"]["views"]
    red, blue = red_and_blue(folder, f"{view}_before")
    assert red + blue > 0.02
    assert 0.15 < blue / (red + blue) < 0.35  # a quarter of the plate
    shown = pixels(folder, f"{view}_before")
    assert (
        (np.abs(shown - RED).max(-1) < 8) | (np.abs(shown - BLUE).max(-1) < 8)
    ).mean() > 0.02  # as bright as they are


def test_cameras_are_drawn_beside_points(seen, folder):
    def found(kind: str) -> int:
        (view,) = seen[f"{kind}.html"]["views"]
        return int((np.abs(pixels(folder, f"{view}_before") - CAMERA).max(-1) < NEAR).sum())

    assert found("mesh") < 5 < found("points")  # where red fades into white, a pixel may be alike


@pytest.mark.parametrize("kind", ["mesh", "points", "textured"])
def test_nothing_is_asked_for_and_no_script_fails(seen, folder, kind):
    page = seen[f"{kind}.html"]
    own = (folder / f"{kind}.html").as_uri()
    assert own in page["requests"]
    assert [url for url in page["requests"] if url != own and not url.startswith(("data:", "blob:", "about:"))] == []
    assert page["errors"] == []


def test_the_driver_would_notice(seen):
    page = seen["broken.html"]
    assert "https://example.invalid/x.png" in page["requests"]
    assert any("nowhere is not defined" in error for error in page["errors"])
    assert page["views"] == []
