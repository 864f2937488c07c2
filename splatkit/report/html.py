"""Self-contained HTML reports: one file, images inside, nothing fetched from anywhere; for the screen and for print."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# A report of fifty pictures must open at once and fit into a mail. What is drawn stays sharp as PNG; photographs, and
# what looks like one, become JPEG, mostly a third of the bytes. Colors keep their resolution.
_JPEG_SHARE = 0.6  # of a PNG's bytes, below which it is a JPEG ...
_MAX_PNG_BYTES = 200_000  # ... and above which whatever is smaller
_JPEG = {"quality": 90, "subsampling": 0}
_MOST_COLORS = 256  # of a palette, which loses nothing: error maps have no more

_STYLE = """
:root {
  color-scheme: light; --ink: #1d2433; --soft: #667085; --line: #e4e7ec; --paper: #fff; --tint: #f7f8fa;
  --accent: #3056d3;
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--tint); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
.subtitle { color: var(--soft); margin: 0 0 28px; }
section {
  background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 22px 26px; margin: 18px 0;
}
h2 { font-size: 19px; margin: 0 0 12px; }
p { margin: 8px 0; max-width: 75ch; }
a { color: var(--accent); }
table { border-collapse: collapse; margin: 10px 0; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: 13px; }
th, td { padding: 6px 22px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.numbers { display: flex; flex-wrap: wrap; gap: 14px; margin: 6px 0; }
.number { flex: 1 1 150px; background: var(--tint); border-radius: 10px; padding: 12px 16px; }
.number b { display: block; font-size: 24px; font-weight: 650; color: var(--accent); }
.number span { color: var(--soft); font-size: 13px; }
.figures { display: grid; gap: 14px; margin: 12px 0; }
figure { margin: 0; }
figure img { width: 100%; display: block; border-radius: 8px; border: 1px solid var(--line); }
iframe { width: 100%; height: 560px; border: 1px solid var(--line); border-radius: 8px; }
figcaption { color: var(--soft); font-size: 13px; margin-top: 5px; }
@media (max-width: 640px) { .figures { grid-template-columns: 1fr !important; } main { padding: 20px 12px; } }
@media print { body { background: none; } section { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Picture:
    """A picture with a caption."""

    image: NDArray[np.uint8]  # [H, W, 3]
    caption: str


class HtmlReport:
    """Collects sections and returns one HTML page. All text is escaped: names from files may contain anything."""

    def __init__(self, title: str, subtitle: str) -> None:
        self._title = title
        self._subtitle = subtitle
        self._sections: list[list[str]] = []

    def section(self, title: str) -> None:
        """Start a section; what is added next belongs to it."""
        self._sections.append([f"<h2>{html.escape(title)}</h2>"])

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._add(f"<p>{html.escape(text)}</p>")

    def numbers(self, items: Sequence[tuple[str, str]]) -> None:
        """Add (value, what it is) as large figures side by side."""
        cells = "".join(
            f'<div class="number"><b>{html.escape(value)}</b><span>{html.escape(label)}</span></div>'
            for value, label in items
        )
        self._add(f'<div class="numbers">{cells}</div>')

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table; each row has as many cells as the header."""
        if any(len(row) != len(header) for row in rows):
            raise ValueError(f"rows: expected {len(header)} cells in each, as in the header")
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        self._add(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def links(self, items: Sequence[tuple[str, str]]) -> None:
        """Add a line of links: (path from where the page lies, text)."""
        anchors = (f'<a href="{html.escape(quote(path))}">{html.escape(text)}</a>' for path, text in items)
        self._add(f"<p>{' · '.join(anchors)}</p>")

    def figures(self, figures: Sequence[Picture]) -> None:
        """Add pictures side by side, equally wide; call again for the next row."""
        items = "".join(
            f'<figure><img src="{_data_uri(figure.image)}" alt="{html.escape(figure.caption)}">'
            f"<figcaption>{html.escape(figure.caption)}</figcaption></figure>"
            for figure in figures
        )
        self._add(f'<div class="figures" style="grid-template-columns: repeat({len(figures)}, 1fr)">{items}</div>')

    def page(self, page: str) -> None:
        """Add another page with scripts of its own, which can reach nothing outside of it."""
        self._add(f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(page)}"></iframe>')

    def render(self) -> str:
        """The page."""
        title = html.escape(self._title)
        sections = "\n".join(f"<section>\n{chr(10).join(parts)}\n</section>" for parts in self._sections)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
            f'<h1>{title}</h1>\n<p class="subtitle">{html.escape(self._subtitle)}</p>\n{sections}\n'
            "</main>\n</body>\n</html>\n"
        )

    def _add(self, part: str) -> None:
        if not self._sections:
            raise ValueError("add a section before its content")
        self._sections[-1].append(part)


def _data_uri(image: NDArray[np.uint8]) -> str:
    """The picture as part of the page."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    kind, data = _smaller(_encode(_with_palette(image), "PNG"), _encode(Image.fromarray(image), "JPEG", **_JPEG))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _smaller(png: bytes, jpeg: bytes) -> tuple[str, bytes]:
    share = _JPEG_SHARE if len(png) <= _MAX_PNG_BYTES else 1.0
    return ("jpeg", jpeg) if len(jpeg) < share * len(png) else ("png", png)


def _with_palette(image: NDArray[np.uint8]) -> Image.Image:
    """A picture [H, W, 3] with numbers of its colors instead of these, where they are few."""
    codes = image.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    colors, numbers = np.unique(codes, return_inverse=True)
    if len(colors) > _MOST_COLORS:
        return Image.fromarray(image)
    found = Image.fromarray(numbers.reshape(codes.shape).astype(np.uint8), "P")
    found.putpalette((colors[:, None] >> np.array([16, 8, 0]) & 255).astype(np.uint8).tobytes())
    return found


def _encode(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
