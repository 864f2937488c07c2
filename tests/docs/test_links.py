"""Links and anchors lead somewhere, every page is in the navigation, and the front page stays one."""

import re

import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, read_page, slug

MOST_BYTES = 12_000  # of the README: a front page, not a manual
FROM_THE_TOP = {"contributing.md", "changelog.md"}  # pages that docs/hooks.py adds


def test_readme_is_a_front_page():
    assert (ROOT / "README.md").stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in page.links():
        name, _, anchor = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in read_page(target).anchors(), f"{page.name}: {link}"


def test_anchors_are_those_of_github_and_mkdocs():
    assert slug("Is the kernel worth it?") == "is-the-kernel-worth-it"
    assert slug("transforms.json") == "transformsjson"
    assert slug("`.sog`, and [more](x.md)") == "sog-and-more"


def navigation(entries):
    for entry in entries:
        for value in entry.values():
            yield from navigation(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(navigation(yaml.safe_load(text)["nav"]))
    docs = ROOT / "docs"
    assert listed == {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} | FROM_THE_TOP


def test_every_picture_is_shown():
    shown = {link.split("/")[-1] for page in PAGES for link in page.links() if "pictures/" in link}
    assert shown == {path.name for path in (ROOT / "docs/pictures").iterdir()}


def test_citation_has_the_version_of_the_package():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    stated = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated is not None
    assert cited["version"] == stated[1]
