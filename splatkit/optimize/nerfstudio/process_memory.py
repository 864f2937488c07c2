"""How much memory this process has taken at most."""

import resource
import sys


def peak_memory_mb() -> float:
    """Largest resident size of this process so far, MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # macOS counts bytes, Linux KiB
