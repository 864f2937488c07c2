"""MkDocs: pages at the top of the repository, where GitHub and PyPI look for them, are pages of the site too."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_TOP = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}  # file at the top: page


def on_files(files: Files, config: Any) -> Files:
    """Add them."""
    for name, page in _TOP.items():
        text = (Path(config.config_file_path).parent / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text.replace("](docs/", "](")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to them lead to their pages."""
    for name, target in _TOP.items():
        up = "../" * page.file.src_uri.count("/")
        markdown = markdown.replace(f"]({up}../{name}", f"]({up}{target}")
    return markdown
