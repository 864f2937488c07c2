"""The study of meshes runs from nothing to its table and pictures, and resumes."""

import json

import pytest

from studies.meshes.cases import equal_steps
from studies.meshes.study import FULL, main, mesh_cases


def test_the_longer_arm_takes_as_many_cpu_seconds():
    plain = {"training_cpu_s": 60.0, "steps": 1500, "mesh_cpu_s": 40.0}
    both = {"cpu_s": 90 + 75 + 45.0}
    assert equal_steps(plain, both) == 4250  # 170 s at 40 ms a step


def test_the_plan_has_each_cell_once():
    arms = ("plain", "both", "depth", "longer", "measured")
    names = [case.name for case in mesh_cases(FULL, arms)]
    assert len(names) == len(set(names)) == 5 * (3 * 4 + 1)
    assert names[:5] == [f"studio-{arm}-1500-60000-74800-0" for arm in arms]


@pytest.mark.slow
def test_a_quick_study_writes_a_table_and_pictures(tmp_path, capsys):
    out = tmp_path / "study"
    with pytest.raises(SystemExit, match="follows from `plain` and `both`"):
        main(out, arms=("plain", "longer"), quick=True)
    main(out, arms=("plain", "both", "depth", "longer"), quick=True)
    table = (out / "summary.md").read_text()
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| studio")]
    ways = ["without stereo", "with stereo", "with stereo, photographs not compared", "without stereo, as many CPU-s"]
    assert [row[1].strip() for row in rows] == ways
    assert len(list((out / "runs").glob("*.json"))) == 3  # with stereo, two meshes of one run
    assert (out / "studio.jpg").is_file()
    assert "chamfer" in capsys.readouterr().out
    results = {path.stem.split("-")[1]: json.loads(path.read_text())["result"] for path in (out / "results").iterdir()}
    assert results["longer"]["steps"] > 150
    assert results["both"]["stereo_cpu_s"] > results["plain"]["stereo_cpu_s"] == 0
    for scores in results.values():
        assert 0 < scores["f_2"] <= 1
        assert 0 <= scores["astray"] < 1
    main(out, arms=("plain", "both", "longer"), quick=True)
    assert "chamfer" not in capsys.readouterr().out  # nothing was measured anew
