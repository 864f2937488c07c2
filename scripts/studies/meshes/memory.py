"""The largest resident size of this process since a moment; on Linux alone."""

from pathlib import Path

_CONTROL, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def reset_peak_memory() -> None:
    """Start to watch."""
    if _CONTROL.exists():
        _CONTROL.write_text("5")


def peak_memory_gb() -> float:
    """GB (10^9 bytes) since then; NaN where the system does not tell."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    peaks = [int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else float("nan")
