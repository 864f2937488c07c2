"""The study of LiDARs runs from nothing to its table, and resumes."""

import pytest

from studies.lidar_study import main


@pytest.mark.slow
def test_a_quick_study_writes_a_table_and_a_picture(tmp_path, capsys):
    out = tmp_path / "study"
    main(out, quick=True)
    table = (out / "summary.md").read_text()
    assert table.count("| LiDAR, ") == 2
    assert "| photographs alone |" in table
    assert (out / "lidar.jpg").is_file()
    assert "psnr" in capsys.readouterr().out
    main(out, quick=True)
    assert "psnr" not in capsys.readouterr().out  # nothing was measured anew
