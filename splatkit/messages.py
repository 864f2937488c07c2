"""What a program says besides its results: to people on stderr, and to a log file.

All of it goes through Python's `logging`, under the logger `splatkit`. A command opens its messages once; until then,
and in programs that import splatkit, nothing is set up and the logger is as any library's. Warnings are counted while
messages are open and repeated at their end, where a long command's are still on the screen.

A step of a pipeline learns from its environment how loud it is, which log file it adds to, and where to leave its
warnings for the pipeline to repeat.
"""

import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, TextIO

import tyro

from splatkit.errors import SettingsError

LOGGER = logging.getLogger("splatkit")
LOGGER.addHandler(logging.NullHandler())  # a library is silent unless its program wants to hear it
PROGRESS = logging.getLogger("splatkit.progress")  # begins and ends of pieces of work
NOT_ON_TERMINAL = {"unsaid": ("terminal",)}  # as `extra` of a record: the terminal has it already, or later
_SAID_BY_STEP = {"unsaid": ("terminal", "file")}
_STEP = "SPLATKIT_STEP"  # the environment variable: a `_Step` as JSON
_OF_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class MessageSettings:
    """How much a command says."""

    verbose: Annotated[bool, tyro.conf.arg(aliases=("-v",))] = False
    """Say what each stage does and how long it takes; errors come with a traceback."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=("-q",))] = False
    """Say nothing but results, warnings and errors."""
    log: Path | None = None
    """File to add everything to, with times, whatever the terminal shows."""

    def __post_init__(self) -> None:
        if self.verbose and self.quiet:
            raise SettingsError("verbose, quiet: pass one of the two")


@dataclass(frozen=True)
class _Step:
    """What a pipeline tells a step about messages."""

    verbose: bool
    quiet: bool
    log: str | None  # path
    warnings: str  # path of a file that takes one warning a line, as JSON

    @property
    def settings(self) -> MessageSettings:
        return MessageSettings(self.verbose, self.quiet, None if self.log is None else Path(self.log))


@dataclass(frozen=True)
class _Open:
    """Messages that are open."""

    settings: MessageSettings
    is_ours: bool  # a command of splatkit; what other programs show is theirs to say


_open: _Open | None = None  # one process has one terminal


def are_open() -> bool:
    """Whether the logger shows on the terminal what should be seen there."""
    return _open is not None and _open.is_ours


def are_joined() -> bool:
    """Whether another program's messages go to the pipeline around it, too."""
    return _open is not None and not _open.is_ours


def shows_bars() -> bool:
    """Whether stderr is a terminal that a bar can be drawn on, and should be."""
    return is_terminal(sys.stderr) and not (_open is not None and _open.settings.quiet)


def is_terminal(stream: TextIO) -> bool:
    """Whether control characters mean something there."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def shows_notes() -> bool:
    """Whether people want to read more than results, warnings and errors."""
    return _open is None or not _open.settings.quiet


@contextmanager
def open_messages(settings: MessageSettings) -> Iterator[None]:
    """Inside, the logger and Python's warnings go where the settings say; then come all warnings once more.

    What ends the block is in the log file, with its traceback. A step leaves repeating to its pipeline.

    Args:
        settings: of this command; a step of a pipeline takes the pipeline's.

    Raises:
        SettingsError: the log file cannot be written.
    """
    global _open
    step = _step()
    settings = settings if step is None else step.settings
    counted = _Counted()
    handlers = [_Terminal(settings, step is not None), counted, *_files(settings.log, step)]
    before = LOGGER.level, LOGGER.propagate, warnings.showwarning, _open
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    warnings.showwarning = _log_warning
    _open = _Open(settings, True)
    for handler in handlers:
        LOGGER.addHandler(handler)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        LOGGER.exception("%s: %s", type(error).__name__, error, extra=NOT_ON_TERMINAL)
        raise
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        level, LOGGER.propagate, warnings.showwarning, _open = before
        LOGGER.setLevel(level)
        with suppress(BrokenPipeError):
            sys.stdout.flush()  # where both streams go to one file, results come first
        for line in summary(counted.counts, counted.steps) if step is None else []:
            print(line, file=sys.stderr)


def join_pipeline() -> None:
    """Send messages of a program that is not ours, as `ns-train`, also where the pipeline around it wants them.

    Nothing happens where there is no pipeline, or messages are open already.
    """
    global _open
    step = _step()
    if step is None or _open is not None:
        return
    _open = _Open(step.settings, False)
    warnings.showwarning = _log_warning
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    for handler in _files(step.settings.log, step):
        LOGGER.addHandler(handler)


@contextmanager
def gather_warnings(name: str) -> Iterator[Mapping[str, str]]:
    """Count warnings of another process as ours, whose environment is what is yielded.

    Args:
        name: of the step that the process does; it stands behind each of its warnings.
    """
    if _open is None:
        yield os.environ
        return
    with tempfile.TemporaryDirectory() as folder:
        told, settings = Path(folder) / "warnings.jsonl", _open.settings
        log = None if settings.log is None else str(settings.log.absolute())
        step = _Step(settings.verbose, settings.quiet, log, str(told))
        try:
            yield {**os.environ, _STEP: json.dumps(asdict(step))}
        finally:
            for line in told.read_text(encoding="utf-8").splitlines() if told.exists() else []:
                LOGGER.warning("%s", json.loads(line), extra={**_SAID_BY_STEP, "step": name})


def summary(counts: Mapping[str, int], steps: Mapping[str, Sequence[str]]) -> list[str]:
    """Warnings as the last lines that a command says.

    Args:
        counts: how often each was given.
        steps: of a pipeline that gave it, for those that steps gave.
    """
    total = sum(counts.values())
    lines = [f"{total} warning{'s' * (total > 1)}:"] if counts else []
    for text, count in counts.items():
        repeated = [f"{count} times"] if count > 1 else []
        given_by = [", ".join(dict.fromkeys(steps[text]))] if text in steps else []
        known = ": ".join(repeated + given_by)
        lines.append(f"warning: {text} ({known})" if known else f"warning: {text}")
    return lines


class _Terminal(logging.Handler):
    """Lines on stderr, as it is when they are said: a bar that is on the screen moves down for them."""

    def __init__(self, settings: MessageSettings, is_step: bool) -> None:
        super().__init__(logging.INFO)
        self._settings, self._started = settings, time.perf_counter()
        # what others say at their end, a step says at once: the pipeline's end may be far away
        self.addFilter(lambda record: _is_for("terminal", record) or (is_step and record.levelno == logging.WARNING))

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, where it is wanted."""
        text = _text(record)
        if record.levelno >= logging.WARNING:
            print(f"{record.levelname.lower()}: {text}", file=sys.stderr)
        elif self._settings.verbose:
            print(f"{time.perf_counter() - self._started:8.1f} s  {text}", file=sys.stderr)
        elif record.name == PROGRESS.name and not self._settings.quiet and not is_terminal(sys.stderr):
            print(text, file=sys.stderr)


class _Counted(logging.Handler):
    """Warnings, in the order of their first time."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.counts: Counter[str] = Counter()
        self.steps: dict[str, list[str]] = {}  # that gave it, where steps of a pipeline did

    def emit(self, record: logging.LogRecord) -> None:
        """Count it."""
        if record.levelno == logging.WARNING:
            text = _text(record)
            self.counts[text] += 1
            if hasattr(record, "step"):
                self.steps.setdefault(text, []).append(record.step)


class _LogFile(logging.FileHandler):
    """A file that says once when it can no longer be written, as on a full disk: the work does not end for that."""

    is_broken = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Called where a record could not be written."""
        if not self.is_broken:
            self.is_broken = True
            LOGGER.warning("log: %s can no longer be written (%s)", self.baseFilename, sys.exc_info()[1])

    def close(self) -> None:
        """What could not be written before cannot be written now."""
        with suppress(OSError):
            super().close()


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_text(record))


def _files(log: Path | None, step: _Step | None) -> list[logging.Handler]:
    """Handlers that write to the log file, and to the file that a pipeline reads warnings from."""
    handlers = list[logging.Handler]()
    if log is not None:
        handlers.append(_log_file(log))
    if step is not None:
        told = logging.FileHandler(step.warnings, encoding="utf-8")
        told.setFormatter(_AsJson())
        told.addFilter(lambda record: record.levelno == logging.WARNING)
        handlers.append(told)
    return handlers


def _log_file(path: Path) -> logging.Handler:
    try:
        handler = _LogFile(path, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"log: {path} cannot be written ({error.strerror}); name a file elsewhere") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(lambda record: _is_for("file", record))
    return handler


def _text(record: logging.LogRecord) -> str:
    """On one line."""
    return " ".join(line.strip() for line in record.getMessage().splitlines())


def _is_for(handler: str, record: logging.LogRecord) -> bool:
    return handler not in getattr(record, "unsaid", ())


def _step() -> _Step | None:
    told = os.environ.get(_STEP)
    return None if told is None else _Step(**json.loads(told))


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """What Python calls with a warning. Those for developers are no use to whoever runs a command."""
    text, place = " ".join(str(message).split()), f"{category.__name__} of {filename}:{lineno}"
    if issubclass(category, _OF_DEVELOPERS):
        LOGGER.info("%s (%s)", text, place, extra=NOT_ON_TERMINAL)
    elif _PACKAGE in Path(filename).parents:
        LOGGER.warning("%s", text)
    else:
        LOGGER.warning("%s (%s)", text, place)
