"""What a folder of products knows of each step: from what it was made, whether it ended, what it took."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import splatkit
from splatkit.io.atomic import atomic_file
from splatkit.pipeline.config import Pipeline, Step
from splatkit.pipeline.fingerprints import FileHashes, fingerprint


@dataclass(frozen=True)
class Cost:
    """What a step took, over all its starts."""

    wall_s: float = 0.0
    cpu_s: float = 0.0  # of the process and its children
    peak_mb: float = 0.0  # largest resident memory of one process

    def plus(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s, max(self.peak_mb, other.peak_mb))


@dataclass(frozen=True)
class StepRecord:
    """What is known of one step."""

    made_from: str  # fingerprint of options and inputs
    done: bool
    cost: Cost
    command: tuple[str, ...] = ()  # for people


class State:
    """The records of a pipeline's steps, in the folder `steps` of its products."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._folder = pipeline.out / "steps"
        self._hashes = FileHashes(self._folder / "hashes.json")

    def made_from(self, step: Step) -> str:
        """Fingerprint of what a step is made from now; its inputs must exist.

        The place of the files does not count, so that a folder can be moved; their names do, which name cameras.
        """
        inputs = [[path.name, self._hashes.of(_hashed(path))] for path in step.inputs]
        self._hashes.save()
        needs = {name: record.made_from for name in step.needs if (record := self.read(name)) is not None}
        return fingerprint([splatkit.__version__, step.name, step.table, inputs, needs])

    def read(self, name: str) -> StepRecord | None:
        """What is known of a step; a damaged record is none."""
        path = self._path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return StepRecord(
                str(content["made_from"]), bool(content["done"]), Cost(**content["cost"]), tuple(content["command"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, name: str, record: StepRecord) -> None:
        """Keep it, whole or not at all."""
        with atomic_file(self._path(name)) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")

    def is_done(self, step: Step) -> bool:
        """Whether a step's product is there and made from what is there now."""
        record = self.read(step.name)
        if record is None or not record.done or not step.product.exists():
            return False
        if not all(path.exists() for path in step.inputs):
            return False
        return record.made_from == self.made_from(step)

    def summary(self) -> str:
        """Fingerprint of all steps as they are known, with their costs: a step that was done again has others."""
        records = [self.read(step.name) for step in self._pipeline.steps]
        return fingerprint([None if record is None else asdict(record) for record in records])

    @property
    def report(self) -> Path:
        """The page about all steps."""
        return self._pipeline.out / "report.html"

    def is_reported(self) -> bool:
        """Whether the page is of the steps as they are known."""
        known = self.read("report")
        return known is not None and known.made_from == self.summary() and self.report.is_file()

    def keep_reported(self) -> None:
        """Remember that the page is of the steps as they are known now."""
        self.write("report", StepRecord(self.summary(), True, Cost()))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _hashed(path: Path) -> Path:
    """What stands behind an input: of a run's config.yml all of the run."""
    return path.parent if path.name == "config.yml" else path
