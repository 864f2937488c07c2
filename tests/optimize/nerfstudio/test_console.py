"""What training says goes to nerfstudio's console, or to a command's messages where one is at work."""

import pytest

from splatkit.messages import MessageSettings, open_messages
from splatkit.optimize.nerfstudio.console import repeat_warnings, tell, warn


@pytest.fixture(autouse=True)
def nothing_said_before(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings of tests before these in the same process are still to be repeated."""
    repeat_warnings()
    capsys.readouterr()


def test_the_console_has_every_line_and_repeats_warnings_once(capsys):
    tell("7 [training] images")
    for _ in range(2):
        warn("no mask for a.png")
    said = capsys.readouterr()
    assert said.out.splitlines() == ["7 [training] images", *["warning: no mask for a.png"] * 2]
    assert said.err == ""
    repeat_warnings()
    assert capsys.readouterr().out.splitlines() == ["2 warnings:", "warning: no mask for a.png (2 times)"]
    repeat_warnings()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_a_command_says_the_same_in_its_own_way(tmp_path, capsys, quiet):
    with open_messages(MessageSettings(quiet=quiet, log=tmp_path / "log.txt")):
        tell("7 training images")
        warn("no mask for a.png")
    repeat_warnings()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["warning: no mask for a.png", "1 warning:", "warning: no mask for a.png"]
    assert "INFO splatkit: 7 training images" in (tmp_path / "log.txt").read_text()
