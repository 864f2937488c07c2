"""The study of kernels: it measures each case once, resumes, and knows a good fit from a bad one."""

import pytest

from studies.kernel_study import main
from studies.lines import measure_line
from studies.store import Case, Store


def test_results_are_kept_and_measured_once(tmp_path):
    measured = []

    def measure(case):
        measured.append(case)
        if case.seed == 1 and len(measured) == 2:
            raise KeyboardInterrupt
        return {"psnr": 20.0 + case.seed}

    cases = [Case("images", "fox", "exact", 10, seed, 5) for seed in range(3)]
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.compute(cases, measure)
    assert [case.seed for case, _ in store.read(cases)] == [0]
    store.compute(cases, measure)
    assert [case.seed for case in measured] == [0, 1, 1, 2]
    assert [result["psnr"] for _, result in store.read(cases)] == [20.0, 21.0, 22.0]


def test_gaussian_signal_takes_one_gaussian_and_square_is_harder():
    def error(signal, kernel):
        return measure_line(Case("lines", signal, kernel, 1, 0, 400))["rms_error"]

    assert error("gaussian", "gaussian") < 1e-3
    assert error("square", "gaussian") > 0.05
    assert error("square", "exact") < 0.8 * error("square", "gaussian")


@pytest.mark.slow
def test_quick_study_writes_tables_and_plots(tmp_path, monkeypatch):
    monkeypatch.delenv("SPLATKIT_DATA", raising=False)
    main(tmp_path / "study", quick=True)
    text = (tmp_path / "study/summary.md").read_text()
    for title in ("lines: square", "images: studio48", "scenes: studio48"):
        assert title in text
    assert (tmp_path / "study/scenes_studio48.png").is_file()
