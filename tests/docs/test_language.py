"""Plain English: phrases that make readers stumble are neither in the docs nor in what the programs say.

The words of the field are in docs/glossary.md. A phrase that is banned here has a plain one beside it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

BANNED = {
    r"\bmind:": "warning:",
    r"(?:^|[.:;!?] |\n\n|\| |- )Of (?!course)": "a sentence or help text that begins with its subject",
    r"\bgo(?:es)? on\b(?! (?:a|the|to)\b)": "resumes, continues",
    r"when (?:its|their) turn comes": "on demand",
    r"what is beyond": "the rest",
    r"\b[Tt]he host\b": "nerfstudio",
    r"\b(?:found|find|finds|have|has|had) (?:their|its|a|no) place\b": "could be placed",
    r"\banew\b": "again",
    r"\bleave (?:\w+ ){1,2}away\b": "remove",
    r"is not for you to": "cannot be",
    r"\bas far as one (?:can|got)": "so far, an estimate",
    r"\bLiDAR turns?\b|\bturns? of (?:the|a) LiDAR": "sweep",
    r"\b(?:one|its|their|same) moments?\b(?! before)": "timestamp, time",
    r"(?<![Ss]pherical )(?<![Ss]pherical-)\b[Hh]armonics\b": "spherical harmonics, SH",
    r"\bmedian deviations?\b": "median standard deviation",
    r"(?<!standard )\bdeviations? of (?:the rotation|the translation|each depth)": "standard deviation",
    r"\b[Gg]enerated (?:scene|scenes|walk|hall|courtyard|stairs|`)": "synthetic",
    r"\bpass(?:ed|es)? over\b(?! (?:the|a|every|each)\b)": "ignore",
    r"(?<!there )(?<!whether there )\bis no (?:rigid|calibration|target|time|image|scan|JSON)\b": "is not a",
    r"\bare no (?:single|unit vectors|whole)\b": "are not",
    r"\b(?:is|are) told (?:by|apart)\b": "is inferred from, distinguished",
    r"(?<!and )\bsay where\b(?! to hold)": "set",
    r"\bmend\b": "fix",
    r"[Aa]t most so many|about so many|\bof so many\b": "maximum number of, one per",
    r"\b(?:do|does|did) not tell\b": "does not reveal, does not determine",
    r"\bwalked through\b": "a walk",
    r"\bcount from\b": "are relative to",
}

TOLD = re.compile(r"(?:Settings|Config|Faults)$|^Defects$")  # classes whose docstrings are shown as help


def said(path: Path) -> Iterator[str]:
    """Texts of a module that its users see: messages, and docstrings that --help shows."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        command = isinstance(node, ast.ClassDef) and (TOLD.search(node.name) or "/commands/" in path.as_posix())
        script = isinstance(node, ast.FunctionDef) and node.name == "main"
        if not (command or script):
            silent |= {id(part.value) for part in body if isinstance(part, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in silent:
            continue
        if " " in node.value:  # one word is a key
            yield " ".join(node.value.split())


MODULES = sorted([*(ROOT / "splatkit").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
SAID = {path: list(said(path)) for path in MODULES}


@pytest.mark.parametrize("phrase", BANNED)
def test_messages_and_help_avoid(phrase):
    found = [
        f"{path.relative_to(ROOT)}: {text[:120]}"
        for path, texts in SAID.items()
        for text in texts
        if re.search(phrase, text)
    ]
    assert found == [], f"instead: {BANNED[phrase]}"


@pytest.mark.parametrize("phrase", BANNED)
def test_pages_avoid(phrase):
    found = []
    for page in PAGES:
        text = page.text if phrase.startswith("(?:^") else " ".join(page.text.split())
        found += [f"{page.name}: ...{text[max(m.start() - 40, 0) : m.end() + 40]}" for m in re.finditer(phrase, text)]
    assert found == [], f"instead: {BANNED[phrase]}"


def test_pages_speak_of_nothing_but_the_project():
    """No names of issues, no folders of the machine they were written on."""
    for page in PAGES:
        assert not re.search(r"(?<![\w&])#\d{2,}|/work/|/home/|/tmp/", page.text), page.name
