"""The study of encodings on its smallest plan: what every machine can measure."""

import json

import pytest

from studies.encoded import EncodedCase
from studies.encoded_summary import fetches
from studies.encoding_study import PLANS, main, study_cases


def test_fetches_are_those_of_the_lattice():
    def of(variant):
        return fetches(EncodedCase("meshes", "spot", variant, "steps", 5, 0))

    assert (of("grid"), of("simplex"), of("preset")) == (80, 40, 72)


def test_plan_has_every_variant_with_every_seed():
    cases = list(study_cases(PLANS["small"], ("images", "meshes", "motion", "scenes"), with_data=True))
    assert len({case.name for case in cases}) == len(cases)
    seeds: dict[tuple[str, ...], set[int]] = {
        (case.section, case.subject, case.variant, case.limit): set() for case in cases
    }
    for case in cases:
        seeds[case.section, case.subject, case.variant, case.limit].add(case.seed)
    assert all(found == ({0, 1} if key[0] == "scenes" else {0, 1, 2}) for key, found in seeds.items())


@pytest.mark.slow
def test_quick_study_writes_table_figures_and_plot(tmp_path, monkeypatch):
    monkeypatch.delenv("SPLATKIT_DATA", raising=False)
    main(tmp_path / "study", quick=True)
    assert "| moving | preset | 14 x 5 |" in (tmp_path / "study/summary.md").read_text()
    rows = json.loads((tmp_path / "study/summary.json").read_text())
    assert {row["variant"] for row in rows} == {"grid", "simplex", "preset"}
    assert (tmp_path / "study/gains.png").is_file()
