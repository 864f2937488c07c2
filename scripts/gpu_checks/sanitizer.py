"""How compute-sanitizer watches the smoke run, and what its output says."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

Judge = Callable[[int, str], tuple[str, str]]  # exit code and output -> outcome and detail

FOUND = 9  # exit code where it found errors
OURS = "splatkit"  # in the names of all our kernels, mangled or not: their namespace
_MOST_PRINTED = "10000"  # errors; the default of 100 could all be torch's
_WHOLE_ALLOCATIONS = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}  # else a tensor's end lies inside of a larger block


@dataclass(frozen=True)
class Tool:
    """A tool of compute-sanitizer."""

    name: str
    judge: Judge
    ours_alone: bool = True  # whether torch's and CUB's own kernels are left out
    environment: dict[str, str] = field(default_factory=dict)

    def arguments(self, filter_option: str) -> list[str]:
        """After the program's name."""
        words = ["--tool", self.name, "--error-exitcode", str(FOUND), "--print-limit", _MOST_PRINTED]
        return [*words, filter_option, f"kns={OURS}"] if self.ours_alone else words


def filter_option(help_text: str) -> str:
    """What limits a tool to kernels whose names hold a text: older releases call it by another name."""
    return "--kernel-name" if "--kernel-name" in help_text else "--kernel-regex"


def judge(code: int, output: str) -> tuple[str, str]:
    """compute-sanitizer cannot watch every machine, and is slow: neither is a fault of the kernels."""
    if code == 124:
        return "skipped", _last_line(output)
    if "Device not supported" in output or "not supported on" in output:
        return "skipped", "compute-sanitizer does not support this device"
    summary = [line for line in output.splitlines() if "SUMMARY" in line]
    return ("passed" if code == 0 else "failed"), _last_line("\n".join(summary) or output)


def judge_initcheck(code: int, output: str) -> tuple[str, str]:
    """Reads of memory that nobody wrote count where a kernel of ours reads.

    All kernels are watched: what torch's have written would count as never written otherwise.
    """
    if code != FOUND:
        return judge(code, output)
    lines = output.splitlines()
    places = [" ".join(lines[i : i + 3]) for i, line in enumerate(lines) if re.search(r"Uninitialized .*read", line)]
    ours = sum(OURS in place for place in places)
    if not places:
        return judge(code, output)
    return ("failed" if ours else "passed"), f"{ours} reads of unwritten memory are ours, {len(places) - ours} are not"


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


TOOLS = (
    Tool("memcheck", judge, environment=_WHOLE_ALLOCATIONS),
    Tool("initcheck", judge_initcheck, ours_alone=False, environment=_WHOLE_ALLOCATIONS),
    Tool("racecheck", judge),
    Tool("synccheck", judge),
)
