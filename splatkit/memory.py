"""Whether there is memory enough, asked before any is taken; and how much was."""

import os
import resource
import sys
from pathlib import Path


def available_bytes() -> int | None:
    """What this machine can still give without swapping; None where that cannot be told."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, AttributeError, OSError):
        return None


def require_memory(what: str, needed: float, advice: str = "close other programs or take a machine with more") -> None:
    """Refuse what does not fit, before it is tried: where memory is overcommitted, taking too much ends the process.

    Args:
        what: for the message, as "writing 2000000 splats".
        needed: bytes.
        advice: for the message, what to do.

    Raises:
        MemoryError: there is less.
    """
    available = available_bytes()
    if available is not None and needed > available:
        raise MemoryError(
            f"{what} needs about {needed / 1e9:.2g} GB of memory, {available / 1e9:.2g} GB are available; {advice}"
        )


def resident_memory_mb() -> float | None:
    """Resident size of this process now, MB (10^6 bytes); None where that cannot be told."""
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        return None
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_memory_mb(usage: resource.struct_rusage | None = None) -> float:
    """Largest resident size of this process so far, or of one whose usage the system told; MB (10^6 bytes)."""
    peak = (resource.getrusage(resource.RUSAGE_SELF) if usage is None else usage).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # macOS counts bytes, Linux KiB
