"""The TOML file of a pipeline: one table a step, whose keys are the options of the command that does it.

`[capture.lidar]` is `splatkit capture lidar`, `[optimize]` is `ns-train`; several `[calibrate.NAME]` may stand side by
side. `{capture.lidar}` in a value is what an earlier step makes. Other paths count from the folder of the file. All of
it is checked before the first step starts.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splatkit.errors import SettingsError
from splatkit.pipeline.command_options import CommandOptions, parse_words
from splatkit.pipeline.training import method_of, training_settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_REFERENCE = re.compile(r"\{([\w.-]+)\}")
_MADE_BY_US = {"out", "overwrite"}
_STAGES = ("scene", "calibrate", "capture", "optimize", "export")
_FILES = {  # and their endings: `format`
    "export.splats": ("ply", "sog", "spz", "compressed.ply", "glb", "splat"),
    "export.points": ("ply", "las", "laz"),
}
TRAINING = "optimize"
_RECORDING = "capture.recording"  # makes no dataset, but what one is made of


@dataclass(frozen=True)
class Step:
    """One command."""

    name: str  # as in the file, e.g. "capture.lidar"
    words: tuple[str, ...]  # of the command line behind `splatkit`, or behind `ns-train` for the training
    out: Path  # file or folder that it makes
    inputs: tuple[Path, ...]  # files and folders that it reads, also those of earlier steps
    needs: tuple[str, ...]  # earlier steps whose products it reads
    table: Mapping[str, Any]  # as in the file

    @property
    def is_training(self) -> bool:
        """Whether nerfstudio does it."""
        return self.name == TRAINING

    @property
    def product(self) -> Path:
        """What stands in for `{name}` in later steps."""
        return self.out / "config.yml" if self.is_training else self.out


@dataclass(frozen=True)
class Pipeline:
    """All steps, in their order."""

    source: Path  # the file
    out: Path
    steps: tuple[Step, ...]

    def find(self, name: str) -> Step | None:
        """The step of a name."""
        return next((step for step in self.steps if step.name == name), None)


def read_pipeline(path: Path, out: Path | None = None) -> Pipeline:
    """Read and check a file.

    Args:
        path: the TOML file.
        out: folder of all products, instead of the file's `out`, which counts from the folder of the file.

    Raises:
        FileNotFoundError: no such file, or an input that it names does not exist.
        SettingsError: something in it makes no sense; the message names the table and the key.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected the TOML file of a pipeline")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML ({error})") from error
    stated = content.pop("out", None)
    if out is None and not isinstance(stated, str):
        raise SettingsError(f'{path}: no output folder: set out = "FOLDER", or pass --out')
    folder = path.resolve().parent
    out = (folder / stated if out is None else Path(out)).resolve()
    builder = _Builder(path, folder, out)
    for name, table in _tables(path, content):
        builder.add(name, table)
    if not builder.steps:
        raise SettingsError(f"{path}: no step is asked for; tables are {', '.join(_STAGES)}")
    return Pipeline(path, out, tuple(builder.steps))


def _tables(path: Path, content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Names and tables of steps, stage by stage."""
    for unknown in content.keys() - set(_STAGES):
        raise SettingsError(f"{path}: unknown table or key {unknown!r}; expected {', '.join(_STAGES)} or out")
    for stage in _STAGES:
        table = content.get(stage)
        if table is None:
            continue
        if not isinstance(table, Mapping):
            raise SettingsError(f"{path}: {stage}: expected a table, [{stage}]")
        nested = stage in {"calibrate", "capture", "export"} and all(isinstance(v, Mapping) for v in table.values())
        if nested:
            yield from ((f"{stage}.{name}", options) for name, options in table.items())
        else:
            yield stage, table


class _Builder:
    """Turns tables into steps; each may refer to those before it."""

    def __init__(self, path: Path, folder: Path, out: Path) -> None:
        self.steps: list[Step] = []
        self._path, self._folder, self._out = path, folder, out

    def add(self, name: str, table: Mapping[str, Any]) -> None:
        """One step more."""
        if name == TRAINING:
            self._add_training(table)
            return
        command = self._command(name)
        forbidden = {key for key in table if key.replace("-", "_") in _MADE_BY_US}
        if forbidden:
            raise SettingsError(f"{self._where(name)}: {forbidden.pop()} cannot be set here; use `out` of the file")
        written, table = table, self._with_defaults(name, command, table)
        given = {key.replace("-", "_") for key in table}
        if missing := [option for option in command.required if option not in given | _MADE_BY_US]:
            raise SettingsError(f"{self._where(name)}: {missing[0].replace('_', '-')} must be set")
        out = self._out.joinpath(*name.split("."))
        if name in _FILES:
            ending = written.get("format", "ply")
            if ending not in _FILES[name]:
                expected = ", ".join(_FILES[name])
                raise SettingsError(f"{self._where(name)} format: expected one of {expected}, got {ending!r}")
            out = out.with_suffix(f".{ending}")
        values, inputs, needs = {}, [], set[str]()
        for key, value in table.items():
            option = command.find(key, self._where(name))
            texts = [self._refer(name, text, needs) for text in option.texts(value, self._where(name))]
            if option.is_path:
                texts = [str(self._locate(name, key, text)) for text in texts]
                inputs += [Path(text) for text in texts]
            values[option] = texts
        words = [*command.words, *command.arguments(values), "--out", str(out)]
        parse_words(command, words, self._where(name))
        self._append(name, words, out, inputs, needs, table)

    def _add_training(self, table: Mapping[str, Any]) -> None:
        where = self._where(TRAINING)
        table = dict(table) if "data" in table else {**table, "data": self._last_dataset(where)}
        needs = set[str]()
        data = self._locate(TRAINING, "data", self._refer(TRAINING, str(table["data"]), needs))
        settings = training_settings({**table, "data": str(data)}, self._out / TRAINING, where)
        self._append(TRAINING, settings.words(), settings.folder, [data], needs, table)

    def _append(
        self, name: str, words: list[str], out: Path, inputs: list[Path], needs: set[str], table: Mapping[str, Any]
    ) -> None:
        self.steps.append(Step(name, tuple(words), out, tuple(inputs), tuple(sorted(needs)), table))

    def _command(self, name: str) -> CommandOptions:
        known = CommandOptions.all()
        stage = name.split(".", 1)[0]
        found = known.get(name) or known.get("calibrate" if stage == "calibrate" else name)
        if found is None:
            tables = [table for table in known if table.split(".", 1)[0] in _STAGES]
            raise SettingsError(f"{self._where(name)}: no such step; there are {', '.join([*tables, TRAINING])}")
        return found

    def _with_defaults(self, name: str, command: CommandOptions, table: Mapping[str, Any]) -> dict[str, Any]:
        """What is plain from the steps before need not be said: the run or the dataset to export."""
        completed = {key: value for key, value in table.items() if key != "format" or command.has("format")}
        if command.has("load_config") and not {"load-config", "load_config", "dataset"} & table.keys():
            completed |= self._what_to_export(name, command)
        recorded = any(step.name == _RECORDING for step in self.steps)
        if recorded and name == "capture.images" and not {"images", "poses"} & table.keys():
            # Its cameras have lenses of their own, and names in which neighbors are of one camera.
            completed = {"cameras": "folder", "matching": "exhaustive", **completed}
            completed["images"] = f"{{{_RECORDING}}}/images"
        if recorded and name == "capture.lidar":
            completed = {"recording": f"{{{_RECORDING}}}", **completed}
            if not {"dataset", "images"} & table.keys() and any(step.name == "capture.images" for step in self.steps):
                completed["dataset"] = "{capture.images}"
        takes = {"export.colmap": "data", "capture.stereo": "dataset"}.get(name)
        if takes is not None and takes not in table:
            completed[takes] = self._last_dataset(self._where(name))
        return completed

    def _what_to_export(self, name: str, command: CommandOptions) -> dict[str, str]:
        """The run that is trained; without training the last dataset, of which meshes and points are made."""
        trained = next((step for step in self.steps if step.name == TRAINING), None)
        if trained is not None:
            method = method_of(trained.table)
            if name == "export.splats" and not method.has_splats:
                raise SettingsError(f"{self._where(name)}: {method.name} has no splats; remove this table")
            return {"load-config": f"{{{TRAINING}}}"}
        if not command.has("dataset"):
            raise SettingsError(f"{self._where(name)}: no run: set load-config, or add [{TRAINING}]")
        last = next(reversed(self._datasets()), None)
        # What a LiDAR measures in a photograph is too sparse for a surface by itself.
        if last is None or last.name in ("scene", "capture.static") or last.table.get("stereo") == "off":
            raise SettingsError(
                f"{self._where(name)}: no run, and no depths of stereo to make a surface of: add [{TRAINING}] or "
                "[capture.stereo], or set load-config or dataset"
            )
        return {"dataset": f"{{{last.name}}}"}

    def _last_dataset(self, where: str) -> str:
        """Reference to what the last step of the stages before made."""
        datasets = self._datasets()
        if not datasets:
            raise SettingsError(f"{where}: no dataset: set data, or let a step before make one")
        return f"{{{datasets[-1].name}}}"

    def _datasets(self) -> list[Step]:
        """The steps that make one."""
        return [step for step in self.steps if step.name.startswith(("capture", "scene")) and step.name != _RECORDING]

    def _refer(self, name: str, text: str, needs: set[str]) -> str:
        """Text with products of earlier steps in place of their names; notes which."""

        def product(match: re.Match[str]) -> str:
            step = next((step for step in self.steps if step.name == match[1]), None)
            if step is None:
                earlier = ", ".join(step.name for step in self.steps) or "none"
                raise SettingsError(f"{self._where(name)}: no step {match[1]!r} before this one (there are: {earlier})")
            needs.add(step.name)
            return str(step.product)

        return _REFERENCE.sub(product, text)

    def _locate(self, name: str, key: str, text: str) -> Path:
        path = (self._folder / text).resolve()
        made_here = any(path == step.product or step.out in path.parents for step in self.steps)
        if not made_here and not path.exists():
            raise FileNotFoundError(f"{self._where(name)} {key}: {path}: no such file or folder")
        return path

    def _where(self, name: str) -> str:
        return f"{self._path}: [{name}]"
