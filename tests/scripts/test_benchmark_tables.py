"""Figures reach the tables of the docs from a benchmark's records alone."""

import re
from pathlib import Path

import pytest

from benchmarks.tables import Figure, Records, Table, fill_tables, render_table, tables_of
from splatkit.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent.parent
FAMILIES = ("calibration", "encodings", "isosurface", "pipeline", "splatting", "training")


def made_up(*records):
    machine = {"processor": "P", "cores": 2, "instruction_set": "avx512"}
    return Records({"machine": machine, "commit": "abc", "records": list(records)})


def entry(name, median, **params):
    return {"name": name, "params": params, "median": median}


def test_cells_join_figures_and_words():
    table = Table(["case", "time"], [("small", [[Figure("ms", {"n": 1}, "{:.1f}"), " ms, ", Figure("ms", {"n": 2})]])])
    records = made_up(entry("ms", 1.26, n=1, threads=1), entry("ms", 1234.5, n=2, threads=1))
    assert render_table(table, records) == "| case | time |\n|---|---|\n| small | 1.3 ms, 1.23e+03 |\n"


def test_missing_and_ambiguous_records_are_named():
    table = Table(["", ""], [("", [[Figure("ms", {"n": 1})]])])
    with pytest.raises(SettingsError, match="0 records are ms"):
        render_table(table, made_up())
    with pytest.raises(SettingsError, match="2 records are ms"):
        render_table(table, made_up(entry("ms", 1, n=1, threads=1), entry("ms", 1, n=1, threads=2)))


def test_only_the_familys_blocks_change():
    end = "<!-- end of figures -->\n"
    text = f"a\n<!-- figures: f/t -->\nold\n{end}b\n<!-- figures: g/t -->\nkept\n{end}"
    table = Table(["x"], [("row", [])])
    filled = fill_tables(text, "f", {"t": table}, made_up())
    assert "old" not in filled
    assert "| row |" in filled
    assert "*P, avx512, abc*" in filled
    assert "kept" in filled
    assert filled.startswith("a\n")
    assert fill_tables(filled, "f", {"t": table}, made_up()) == filled
    with pytest.raises(SettingsError, match="no table f/t"):
        fill_tables(text, "f", {}, made_up())


def test_every_block_of_the_docs_is_a_known_table_and_the_other_way_round():
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs/results").glob("*.md"))
    blocks = re.findall(r"<!-- figures: ([\w/]+) -->", text)
    assert sorted(blocks) == sorted(f"{family}/{name}" for family in FAMILIES for name in tables_of(family))
    assert text.count("<!-- end of figures -->") == len(blocks)
