"""What the GPU check writes: JSON with everything, and a Markdown page to read."""

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NOBODY = "nobody"  # else computes on the GPU
LEAST_REPEATS = 10  # of a time that may be quoted
MOST_SPREAD = 0.5  # of the median, between the quarters of its repeats

Record = dict[str, Any]  # name, params, unit, median, spread, min, max, repeats, peers


@dataclass(frozen=True)
class Step:
    """One part of the check."""

    name: str
    outcome: str  # passed, failed, or skipped
    seconds: float
    detail: str  # one line: why it was skipped, what failed, or what was found


def make_record(name: str, params: dict[str, Any], unit: str, values: list[float]) -> Record:
    """Summarize repeats; the spread is between their quarters."""
    quarters = statistics.quantiles(values, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {
        "name": name,
        "params": params,
        "unit": unit,
        "median": statistics.median(values),
        "spread": quarters[2] - quarters[0],
        "min": min(values),
        "max": max(values),
        "repeats": len(values),
        "peers": {},
    }


def doubts(machine: dict[str, str], steps: list[Step]) -> list[str]:
    """Why none of the figures may be quoted; empty where nothing speaks against it."""
    reasons = []
    commit, others = machine.get("commit", "unknown"), machine.get("also on the GPU", "unknown")
    if commit == "unknown" or commit.endswith("changed"):
        reasons.append(f"the commit is {commit}" if commit == "unknown" else "files differ from the commit")
    if others != NOBODY:
        reasons.append(f"whether the GPU was idle: {others}")
    outcomes = {step.name: step.outcome for step in steps}
    if outcomes.get("smoke") != "passed":
        reasons.append("no smoke run passed: results may be wrong")
    return reasons


def doubt(record: Record) -> str:
    """Why one figure may not be quoted; "" where nothing speaks against it. Only times need repeats."""
    if record["unit"] != "ms" and record["repeats"] == 1:
        return ""
    if record["repeats"] < LEAST_REPEATS:
        return f"{record['repeats']} repeats"
    spread = record["spread"] / record["median"]
    return f"spread {100 * spread:.0f} %" if spread > MOST_SPREAD else ""


def write_report(folder: Path, machine: dict[str, str], steps: list[Step], records: list[Record]) -> None:
    """Write gpu_check.json and gpu_check.md into the folder."""
    content = {
        "machine": machine,
        "steps": [asdict(step) for step in steps],
        "doubts": doubts(machine, steps),
        "records": records,
    }
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
            f"no: {doubt(record)}" if doubt(record) else "yes",
            *(f"{record['peers'][peer]:.4g}" if peer in record["peers"] else "" for peer in peers),
        ]
        for record in records
    ]
    if rows:
        reasons = doubts(machine, steps)
        says = (
            f"No figure may be quoted: {'; '.join(reasons)}." if reasons else "Figures may be quoted where it says so."
        )
        lines += ["", says, "", *_table(["quantity", "case", "median", "range", "quote", *peers], rows)]
    return "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *(line(row) for row in rows)]
