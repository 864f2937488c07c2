"""What the GPU check writes: JSON with everything, and a Markdown page to read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]  # name, params, unit, median, min, max, repeats, peers: as `scripts/benchmark.py` writes them


@dataclass(frozen=True)
class Step:
    """One part of the check."""

    name: str
    outcome: str  # passed, failed, or skipped
    seconds: float
    detail: str  # one line: why it was skipped, what failed, or what was found


def write_report(folder: Path, machine: dict[str, str], steps: list[Step], records: list[Record]) -> None:
    """Write gpu_check.json and gpu_check.md into the folder."""
    content = {"machine": machine, "steps": [asdict(step) for step in steps], "records": records}
    write_whole(folder / "gpu_check.json", json.dumps(content, indent=1) + "\n")
    write_whole(folder / "gpu_check.md", to_markdown(machine, steps, records))


def write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written, whenever this process is stopped."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def to_markdown(machine: dict[str, str], steps: list[Step], records: list[Record]) -> str:
    """The page."""
    lines = ["# splatkit on a GPU", "", *_table(["", ""], [[name, value] for name, value in machine.items()])]
    rows = [[step.name, step.outcome, f"{step.seconds:.0f} s", step.detail] for step in steps]
    lines += ["", *_table(["step", "outcome", "time", "detail"], rows)]
    peers = sorted({peer for record in records for peer in record["peers"]})
    rows = [
        [
            record["name"],
            ", ".join(f"{name} {value}" for name, value in record["params"].items()),
            f"{record['median']:.4g} {record['unit'].removeprefix('1')}".strip(),
            f"{record['min']:.4g} to {record['max']:.4g}",
            *(f"{record['peers'][peer]:.4g}" if peer in record["peers"] else "" for peer in peers),
        ]
        for record in records
    ]
    if rows:
        lines += ["", *_table(["quantity", "case", "median", "range", *peers], rows)]
    return "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *(line(row) for row in rows)]
