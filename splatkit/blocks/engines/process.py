"""A block in a process of its own, which ends with the one that waits for it."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from splatkit.blocks.engines.engine import last_words
from splatkit.blocks.plan_file import Block, Plan
from splatkit.errors import SplatkitError

_PATIENCE_S = 10.0  # for a process that was told to end
_PR_SET_PDEATHSIG = 1  # of Linux: which signal a process gets when its parent ends


class BlockKilledError(SplatkitError):
    """A block's process was ended from outside: trying again may help."""


class BlockRefusedError(SplatkitError):
    """A block's process ended by itself: trying again does not help."""


class BlockProcess:
    """A running block."""

    def __init__(self, plan: Plan, block: Block) -> None:
        log = plan.log_file(block)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log, self._block = log, block
        command = [sys.executable, "-W", "ignore", "-m", "splatkit.blocks.block", str(plan.folder), block.name]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # the log says how far it is
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the one that waits
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait(self, seconds: float) -> bool:
        """Whether it ended well within a time.

        Raises:
            BlockKilledError, BlockRefusedError: it did not end well; says why, and which log has more.
        """
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if code < 0:
            why = "most likely because memory ran out" if code == -signal.SIGKILL else "from outside"
            raise BlockKilledError(f"its process was ended by {signal.Signals(-code).name}, {why}")
        if code > 0:
            reason = last_words(self._log).removeprefix("splatkit: ")
            raise BlockRefusedError(f"{reason} (all of it: {self._log})")
        return True

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def remove_work(folder: Path, block: Block) -> None:
    """Delete what a block's process that was killed left behind."""
    import shutil

    for left in folder.glob(f".{block.name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _die_with_parent() -> None:
    """Let the kernel end a block whose waiting process was killed: nobody would keep what it makes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
