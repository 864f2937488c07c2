"""Paths that a dataset's file names: they stay inside of its folder unless told otherwise."""

from pathlib import Path

from splatkit.errors import DatasetError


class DatasetPaths:
    """Resolves paths of one file, inside its folder unless told otherwise."""

    def __init__(self, json_path: Path, allow_outside: bool) -> None:
        self.root = json_path.parent
        self.allow_outside = allow_outside
        self.missing: list[str] = []  # what `found` did not find

    def resolve(self, name: object, where: str) -> Path:
        """Absolute path of `name`; links are followed, for a link leads out of a folder as well as `..` does."""
        if not isinstance(name, str) or not name or "\0" in name:
            raise DatasetError(f"{where}: expected a path, got {name!r}")
        resolved = (self.root / name).resolve()
        if not self.allow_outside and not resolved.is_relative_to(self.root):
            raise DatasetError(f"{where}: {name} leads out of the dataset's folder {self.root}; refused")
        return resolved

    def found(self, name: object, where: str) -> Path | None:
        """Like `resolve`, for a file that a frame can do without; None where it is not named or does not exist."""
        if name is None:
            return None
        resolved = self.resolve(name, where)
        if resolved.is_file():
            return resolved
        self.missing.append(str(name))
        return None

    def existing(self, name: object, where: str) -> Path:
        """Like `resolve`, for a file that must exist."""
        resolved = self.resolve(name, where)
        if not resolved.is_file():
            raise DatasetError(f"{where}: no such file {resolved}")
        return resolved
