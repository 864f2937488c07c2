"""Work of a native library in a process of its own: where it ends that process, ours says so in one line.

COLMAP aborts where its database cannot be written, and a machine without memory kills whoever asks for more. The child
tells each step of its progress and waits for an answer, so that it ends when we do, however that happens.
"""

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from splatkit.errors import RefusedError, SplatkitError
from splatkit.progress import Progress

_GO_ON = b"\n"
_FULL_BYTES = 4 << 20  # less free space than this is none
_LOG_CHARACTERS = 200
_RESUMES = "the same call resumes where it stopped"


def run_apart(work: Callable[..., Any], arguments: tuple[Any, ...], folder: Path, progress: Progress) -> Any:
    """What `work(*arguments, progress)` returns or raises, of another process.

    Args:
        work: a function of a module, by whose name the other process finds it.
        arguments: what pickle takes.
        folder: that it writes to.
        progress: shows bars here.

    Raises:
        OSError: it ended because the disk is full.
        SplatkitError: it ended by itself.
    """
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "splatkit.capture.images.structure.apart"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # an interruption is ours to handle
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            pickle.dump((work, arguments), child.stdin)
            _go_on(child.stdin)
            kind, content = _follow(child, progress, lambda count: None)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            child.wait()
            raise _end_of(child.returncode, log, folder) from error
        finally:
            child.kill()
            child.communicate()
    if kind == "raised":
        cause = _cause_of(content, folder)
        raise cause from (None if cause is content else content)
    return content


def _follow(child: "subprocess.Popen[bytes]", progress: Progress, advance: Callable[[int], None]) -> tuple[str, Any]:
    """Show what the child tells, until the piece of work that `advance` is of ends, or all of it."""
    assert child.stdin is not None
    assert child.stdout is not None
    while True:
        kind, content = pickle.load(child.stdout)
        if kind == "begin":
            with progress(*content) as advance_piece:
                _go_on(child.stdin)
                kind, content = _follow(child, progress, advance_piece)
            if kind == "end":
                _go_on(child.stdin)
                continue
        elif kind == "advance":
            advance(content)
            _go_on(child.stdin)
            continue
        return kind, content


def _go_on(stream: IO[bytes]) -> None:
    stream.write(_GO_ON)
    stream.flush()


def _cause_of(error: Exception, folder: Path) -> Exception:
    """What COLMAP says of a full disk is anything but that."""
    if isinstance(error, OSError | RefusedError):
        return error
    if (full := _full_disk(folder)) is not None:
        return full
    return SplatkitError(f"COLMAP gave up ({error})") if isinstance(error, RuntimeError) else error


def _full_disk(folder: Path) -> OSError | None:
    free = shutil.disk_usage(folder).free
    if free >= _FULL_BYTES:
        return None
    return OSError(
        f"cannot write {folder}: the disk is full ({free / 1e6:.1f} MB are free); free some space, {_RESUMES}"
    )


def _end_of(code: int, log: IO[bytes], folder: Path) -> Exception:
    """Why the child ended, as far as can be told."""
    if (full := _full_disk(folder)) is not None:
        return full
    if -code == getattr(signal, "SIGKILL", None):
        return SplatkitError(
            "COLMAP was killed, most likely because memory ran out: take fewer --workers, --features or a smaller "
            f"--longest-side; {_RESUMES}"
        )
    name = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    log.seek(0)
    before_trace = re.split(r"\*\*\* | @ +0x", log.read().decode(errors="replace"))[0]
    said = " ".join(before_trace.split())[-_LOG_CHARACTERS:]
    return SplatkitError(f"COLMAP ended {name} while it worked in {folder} ({said or 'it said nothing'}); {_RESUMES}")


def main() -> None:
    """The other process: reads what to do, and tells how far it is and what came of it."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no message

    def tell(kind: str, content: Any) -> None:
        pickle.dump((kind, content), out)
        out.flush()

    def ask(kind: str, content: Any) -> None:
        tell(kind, content)
        if sys.stdin.buffer.read(len(_GO_ON)) != _GO_ON:  # nobody is there any more
            os._exit(1)

    @contextmanager
    def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
        ask("begin", (label, total))
        yield lambda count: ask("advance", count)
        ask("end", None)

    work, arguments = pickle.load(sys.stdin.buffer)
    sys.stdin.buffer.read(len(_GO_ON))
    try:
        tell("returned", work(*arguments, progress))
    except Exception as error:
        tell("raised", error)


if __name__ == "__main__":
    main()
