"""The pages that people read: Markdown at the top and below docs/, their code blocks, links and anchors."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")


@dataclass(frozen=True)
class Page:
    """One file of Markdown."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Relative to the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        """The text without code blocks."""
        return _BLOCK.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """Contents of code blocks in a language; "" where none is named."""
        return [text for found, text in _BLOCK.findall(self.text) if found == language]

    def links(self) -> list[str]:
        """Links that do not leave the repository."""
        return _LINK.findall(self.prose)

    def anchors(self) -> set[str]:
        """What links to places in the page may name, as GitHub and MkDocs make it of headings."""
        return {slug(heading) for heading in re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)}


def slug(heading: str) -> str:
    """A heading as an anchor."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def read_page(path: Path) -> Page:
    """A page by its file."""
    return Page(path, path.read_text(encoding="utf-8"))


PAGES = [read_page(path) for path in (*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md")))]


def command_lines(program: str) -> list[tuple[str, str]]:
    """(page, line) of commands in blocks without a language, joined where they are continued, without comments."""
    found = []
    for page in PAGES:
        for block in page.blocks(""):
            lines = [line.split("  #")[0].split(" #")[0].strip() for line in block.replace("\\\n", " ").splitlines()]
            found += [(page.name, line) for line in lines if line.startswith(program + " ")]
    return found
