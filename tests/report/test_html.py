"""Reports are one file that shows text as text and asks no one for anything."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from splatkit.report.html import HtmlReport, Picture
from splatkit.report.plots import plot_curves

EVIL = '<script src="https://example.org/x.js"></script> & "quotes"'


def picture(seed=0, shape=(8, 12, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def page():
    report = HtmlReport(EVIL, EVIL)
    report.section(EVIL)
    report.text(EVIL)
    report.numbers([(EVIL, EVIL)])
    report.table([EVIL, "b"], [[EVIL, "1"], ["x", EVIL]])
    report.figures([Picture(picture(), EVIL), Picture(picture(1), "second")])
    return report.render()


class Collector(HTMLParser):
    """Tags, links and text of a page, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data):
        self.text += data


def test_text_is_shown_and_never_run(page):
    collector = Collector()
    collector.feed(page)
    assert "script" not in collector.tags
    assert collector.text.count(EVIL) == 11  # title, h1, subtitle, h2, p, two of the numbers, three cells, caption
    assert page.count("<script") == 0


def test_nothing_is_fetched(page):
    collector = Collector()
    collector.feed(page)
    assert collector.links
    assert all(link.startswith("data:image/") for link in collector.links)
    assert not re.search(r"url\(|@import|<link", page)


def test_pictures_are_inside_unchanged(page):
    encoded = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    assert len(encoded) == 2
    with Image.open(io.BytesIO(base64.b64decode(encoded[0]))) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture())


def embedded(image):
    """Kind and pixels of a picture as a report holds it."""
    report = HtmlReport("a", "b")
    report.section("c")
    report.figures([Picture(image, "d")])
    ((kind, encoded),) = re.findall(r"data:image/(\w+);base64,([A-Za-z0-9+/=]+)", report.render())
    data = base64.b64decode(encoded)
    with Image.open(io.BytesIO(data)) as opened:
        return kind, len(data), np.asarray(opened.convert("RGB"))


def test_large_pictures_become_jpeg():
    assert embedded(picture(shape=(300, 400, 3)))[0] == "jpeg"


def test_photographs_become_jpeg_that_looks_the_same():
    rows, columns = np.mgrid[:150, :200]
    smooth = 128 + 60 * np.stack([np.sin(rows / 9), np.cos(columns / 7), np.sin((rows + columns) / 11)], -1)
    photograph = (smooth + np.random.default_rng(0).normal(0, 2, smooth.shape)).astype(np.uint8)
    kind, size, shown = embedded(photograph)
    assert kind == "jpeg"
    assert size < 150 * 200 * 3 / 4
    assert np.abs(shown.astype(int) - photograph).mean() < 2  # the noise of a sensor


@pytest.mark.parametrize("count", [1, 2, 16, 256])
def test_pictures_of_few_colors_stay_as_they_are(count):
    colors = picture(shape=(count, 3))
    numbers = np.random.default_rng(1).integers(0, count, (300, 400))
    kind, size, shown = embedded(colors[numbers])
    assert kind == "png"
    assert size < 1.1 * 300 * 400 * np.ceil(np.log2(max(count, 2))) / 8 + 1000  # bits of a number
    np.testing.assert_array_equal(shown, colors[numbers])


def test_plots_stay_sharp():
    plot = plot_curves({"loss": (range(20), np.random.default_rng(0).random(20).tolist())}, "step", "loss")
    kind, _, shown = embedded(plot)
    assert kind == "png"
    np.testing.assert_array_equal(shown, plot)


def test_misuse_is_refused():
    report = HtmlReport("a", "b")
    with pytest.raises(ValueError, match="section"):
        report.text("too early")
    report.section("c")
    with pytest.raises(ValueError, match="expected 2 cells"):
        report.table(["a", "b"], [["1"]])
    with pytest.raises(ValueError, match="uint8"):
        report.figures([Picture(np.zeros((4, 4, 3), np.float32), "x")])
