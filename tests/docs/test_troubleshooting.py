"""Messages that the troubleshooting page quotes are in the code, word by word; `…` stands for what is filled in."""

import ast
import re

import pytest

from tests.docs.pages import ROOT, read_page

PAGE = read_page(ROOT / "docs/troubleshooting.md")
OTHERS = ("operator torchvision::nms does not exist",)  # messages of other programs
LEAST = 40  # messages


def quoted() -> list[str]:
    """First cells of the tables."""
    cells = re.findall(r"^\| (`+)(.+?)\1 \|", PAGE.text, re.MULTILINE)
    return [text.strip() for _, text in cells if text.strip() not in OTHERS]


def constants() -> str:
    """All text in the package; docstrings too, which does no harm."""
    texts = []
    for path in sorted((ROOT / "splatkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


TEXT = constants()


@pytest.mark.parametrize("message", quoted())
def test_messages_are_in_the_code(message):
    parts = [part.strip() for part in message.split("…")]
    assert any(len(part.split()) > 1 for part in parts), f"{message}: too little to find"
    assert [part for part in parts if part not in TEXT] == []


def test_enough_messages_are_explained():
    assert len(set(quoted())) >= LEAST
