"""Measure splatkit: `scripts/benchmark.py FAMILY --json FILE [--quick]`.

Writes {machine, commit, records: [{name, params, unit, median, min, max, repeats, peers}]}. Times are CPU-seconds or
wall, named apart. Run it with nothing else running. Real scenes are found at $SPLATKIT_DATA. With `--readme PAGE.md`
(docs/results) the tables of the family in it are filled with what was measured.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from benchmarks.calibration.measure import measure_calibration
from benchmarks.encodings import measure_encodings
from benchmarks.export import measure_export
from benchmarks.export_files import measure_export_files
from benchmarks.isosurface import measure_isosurface
from benchmarks.pipeline import measure_pipeline
from benchmarks.record import Record
from benchmarks.splatting import measure_splatting
from benchmarks.stereo.measure import measure_stereo
from benchmarks.tables import Records, fill_tables, tables_of
from benchmarks.training import measure_training
from splatkit.io.atomic import atomic_file
from splatkit.ops import build_info

FAMILIES: dict[str, Callable[[Path | None, bool], list[Record]]] = {
    "calibration": measure_calibration,
    "encodings": measure_encodings,
    "export": measure_export,
    "export_files": measure_export_files,
    "isosurface": measure_isosurface,
    "pipeline": measure_pipeline,
    "splatting": measure_splatting,
    "stereo": measure_stereo,
    "training": measure_training,
}


def machine() -> dict[str, str | int | None]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {"processor": model, "cores": os.cpu_count(), "instruction_set": str(build_info()["instruction_set"])}


def commit() -> str:
    """The commit of the source tree, or "unknown" outside of one."""
    root = Path(__file__).resolve().parent
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def write_tables(readme: Path, family: str, content: dict[str, Any]) -> None:
    """Fill a family's tables in a Markdown file."""
    text = fill_tables(readme.read_text(encoding="utf-8"), family, tables_of(family), Records(content))
    with atomic_file(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main(
    family: Annotated[
        Literal[
            "calibration",
            "encodings",
            "export",
            "export_files",
            "isosurface",
            "pipeline",
            "splatting",
            "stereo",
            "training",
        ],
        tyro.conf.Positional,
    ],
    json_path: Annotated[Path, tyro.conf.arg(name="json")],
    quick: bool = False,
    readme: Path | None = None,
) -> None:
    """Measure one family.

    Args:
        family: what to measure.
        json_path: file to write.
        quick: a small case that only shows that the benchmark works.
        readme: Markdown file whose tables of this family are filled again.
    """
    if quick and readme is not None:
        sys.exit("benchmark: --quick measures too little for --readme")
    data = os.environ.get("SPLATKIT_DATA")
    if family == "training" and (not data or not Path(data).is_dir()):
        sys.exit("benchmark: set SPLATKIT_DATA to the folder of the real scenes (it holds fox and fox_tiny)")
    records = FAMILIES[family](Path(data) if data else None, quick)
    json_path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(json_path) as temporary:
        content = {"machine": machine(), "commit": commit(), "records": [asdict(record) for record in records]}
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    if readme is not None:
        write_tables(readme, family, content)
    for record in records:
        print(f"{record.name:20} {record.median:10.3f} {record.unit:6} {record.params}")


if __name__ == "__main__":
    tyro.cli(main)
