"""What commands say, how loud, and where: results on stdout, the rest on stderr and in a log file."""

import json
import re
import warnings
from pathlib import Path

import pytest

from splatkit import messages, progress_bar
from splatkit.cli import COMMANDS, main
from splatkit.commands.doctor import Doctor
from splatkit.commands.terminal import note, print_warnings, say, show_progress
from splatkit.messages import LOGGER, MessageSettings, open_messages
from splatkit.progress import track


@pytest.fixture
def scene(tmp_path):
    """Words of a command that works a while, and its result's folder."""
    out = tmp_path / "studio"
    return ["scene", "studio", "--out", str(out), "--width", "16", "--height", "12", "--views", "3"], out


def stands_for_doctor(monkeypatch, work):
    """Let the command `doctor` do something else."""
    monkeypatch.setitem(COMMANDS, Doctor, lambda settings: work())


def test_results_are_alone_on_stdout_and_pieces_of_work_are_lines_on_stderr(scene, capsys):
    words, out = scene
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}: 3 views of studio, 16x12\n"
    begin, end = said.err.splitlines()
    assert begin == "photographing: 3 to do"
    assert re.fullmatch(r"photographing: 3 of 3 done in \d+\.\d s, memory in use: (\d+\.\d\d GB|unknown)", end)
    assert "\x1b" not in said.err
    assert "\r" not in said.err


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
@pytest.mark.parametrize("place", [0, 2, 99])
def test_quiet_is_only_the_result_wherever_it_is_asked_for(scene, capsys, flag, place):
    words, out = scene
    assert main([*words[:place], flag, *words[place:]]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}: 3 views of studio, 16x12\n"
    assert said.err == ""


def test_verbose_tells_times_and_tracebacks(scene, capsys):
    words, _ = scene
    assert main(["-v", *words]) == 0
    told = capsys.readouterr().err
    for line in told.splitlines():
        assert re.match(r" *\d+\.\d s  ", line), line
    for part in ("scene studio --out", "photographing: 3 of 3 done in", "done in", "GB of memory at most"):
        assert part in told
    assert main([*words, "-v"]) == 2
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.splitlines()[-1].startswith("splatkit: ")
    assert "already exists" in told.splitlines()[-1]


def test_the_log_has_everything_whatever_the_terminal_shows(scene, tmp_path, capsys):
    words, out = scene
    log = tmp_path / "log.txt"
    assert main([*words, "-q", "--log", str(log)]) == 0
    assert main([*words, "-q", "--log", str(log)]) == 2
    assert capsys.readouterr().err == f"splatkit: {out}: already exists; choose another place or pass --overwrite\n"
    written = log.read_text()
    for part in ("scene studio --out", "photographing: 3 of 3", f"{out}: 3 views", "done in", "Traceback", "exists"):
        assert part in written
    assert "FileExistsError" in written
    times = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:INFO|ERROR) splatkit", written, re.MULTILINE)
    assert len(times) == 7  # of the first five lines; of the second start two


def test_an_error_that_nobody_foresaw_is_in_the_log_too(tmp_path, monkeypatch):
    stands_for_doctor(monkeypatch, lambda: dict[str, str]()["absent"])
    with pytest.raises(KeyError):
        main(["doctor", "--log", str(tmp_path / "log.txt")])
    assert "KeyError: 'absent'" in (tmp_path / "log.txt").read_text()
    assert not messages.are_open()


def test_a_log_that_cannot_be_written_is_one_line_before_the_work(scene, tmp_path, capsys):
    words, out = scene
    assert main([*words, "--log", str(tmp_path / "none/log.txt")]) == 2
    assert "log: " in (said := capsys.readouterr().err)
    assert said.count("\n") == 1
    assert "none/log.txt cannot be written (No such file or directory); name a file elsewhere" in said
    assert not out.exists()
    assert main([*words, "--log", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_log_on_a_full_disk_is_a_warning_and_the_work_continues(scene, capsys):
    words, out = scene
    assert main([*words, "-q", "--log", "/dev/full"]) == 0
    assert (out / "transforms.json").is_file()
    (at_once, heading, again) = capsys.readouterr().err.splitlines()
    assert at_once == again == "warning: log: /dev/full can no longer be written ([Errno 28] No space left on device)"
    assert heading == "1 warning:"


def test_a_log_in_what_the_command_replaces_is_refused(scene, capsys):
    words, out = scene
    out.mkdir()
    assert main([*words, "--overwrite", "--log", str(out / "log.txt")]) == 2
    assert f"would be replaced together with {out}" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_loud_and_quiet_together_are_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "-v", "-q"])
    assert caught.value.code == 2
    assert "verbose, quiet: pass one of the two" in capsys.readouterr().err


@pytest.mark.filterwarnings("always")
def test_warnings_come_once_more_at_the_end_and_those_for_developers_in_the_log_alone(tmp_path, monkeypatch, capsys):
    def work():
        for _ in range(2):
            LOGGER.warning("the lens\nis dirty")
        warnings.warn("it rains", stacklevel=1)
        warnings.warn("call it otherwise", FutureWarning, stacklevel=1)
        warnings.warn_explicit("points are left out", UserWarning, str(Path(messages.__file__)), 1)
        print_warnings(["no mask"])
        note("nearly")
        say("there")

    stands_for_doctor(monkeypatch, work)
    assert main(["doctor", "--log", str(tmp_path / "log.txt")]) == 0
    said = capsys.readouterr()
    assert said.out == "nearly\nthere\n"
    lines = said.err.splitlines()
    at_once, again = lines[: lines.index("5 warnings:")], lines[lines.index("5 warnings:") + 1 :]
    rain = rf"warning: it rains \(UserWarning of {re.escape(__file__)}:\d+\)"
    assert at_once[:2] == ["warning: the lens is dirty"] * 2
    assert re.fullmatch(rain, at_once[2])
    assert at_once[3:] == ["warning: points are left out"]
    assert again[0] == "warning: the lens is dirty (2 times)"
    assert re.fullmatch(rain, again[1])
    assert again[2:] == ["warning: points are left out", "warning: no mask"]
    written = (tmp_path / "log.txt").read_text()
    assert "call it otherwise (FutureWarning of " in written
    assert written.count("WARNING") == 5


def test_warnings_of_a_command_that_fails_are_said_too(monkeypatch, capsys):
    def work():
        print_warnings(["no mask"])
        raise ValueError("no image")

    stands_for_doctor(monkeypatch, work)
    assert main(["-q", "doctor"]) == 2
    assert capsys.readouterr().err == "1 warning:\nwarning: no mask\nsplatkit: no image\n"


def test_a_bar_on_a_terminal_tells_how_far_how_long_and_how_much(monkeypatch, capsys):
    stands_for_doctor(monkeypatch, lambda: list(track("abc", "spelling", show_progress, 3)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    progress_bar._console.cache_clear()
    assert main(["doctor"]) == 0
    bar = capsys.readouterr().err
    assert "\x1b[" in bar
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", bar)
    assert re.search(r"spelling ━+ 3/3 \d:\d\d:\d\d left: \d:\d\d:\d\d (\d+\.\d\d GB|unknown)", plain)
    assert "to do" not in plain
    assert main(["doctor", "-q"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("TERM", "dumb")
    assert main(["doctor"]) == 0
    assert "\x1b" not in capsys.readouterr().err


def test_a_piece_of_work_that_breaks_off_says_how_far_it_was(monkeypatch, capsys):
    def work():
        for letter in track("abc", "spelling", show_progress, 3):
            if letter == "c":
                raise ValueError("no such letter")

    stands_for_doctor(monkeypatch, work)
    assert main(["doctor"]) == 2
    assert "spelling: 2 of 3 done" in capsys.readouterr().err


def test_a_library_says_nothing(capsys):
    list(track("abc", "spelling", show_progress, 3))
    LOGGER.warning("nobody asked")
    assert capsys.readouterr().err == ""


def test_a_step_takes_the_settings_of_its_pipeline_and_leaves_it_its_warnings(tmp_path, monkeypatch, capsys):
    with open_messages(MessageSettings(quiet=True, log=tmp_path / "log.txt")):
        with messages.gather_warnings("capture") as environment:
            asked = json.loads(environment[messages._STEP])
            told = Path(asked["warnings"])
            told.write_text('"no mask"\n"no mask"\n')
        assert not told.exists()
        print_warnings(["no mask", "no lens"])
    assert capsys.readouterr().err == ("4 warnings:\nwarning: no mask (3 times: capture)\nwarning: no lens\n")
    monkeypatch.setenv(messages._STEP, json.dumps(asked | {"warnings": str(tmp_path / "told.jsonl")}))
    stands_for_doctor(monkeypatch, lambda: print_warnings(["no\nlight"]))
    assert main(["doctor"]) == 0
    assert capsys.readouterr().err == "warning: no light\n"
    assert (tmp_path / "told.jsonl").read_text() == '"no light"\n'
    written = (tmp_path / "log.txt").read_text()  # of the steps' own ones each step has written already
    assert (written.count("no mask"), written.count("no lens"), written.count("light")) == (1, 1, 1)
