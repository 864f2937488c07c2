"""How tensors are compared, and how a test deals with other processes."""

import socket
import time
from collections.abc import Callable

from torch import Tensor


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """|actual - expected| / |expected| in the Euclidean norm, in float64."""
    expected = expected.detach().double()
    return ((actual.detach().double() - expected).norm() / expected.norm().clamp_min(1e-30)).item()


def wait_until(met: Callable[[], object], limit_s: float = 300.0) -> None:
    """Wait for a condition; the limit is for a machine that is busy with other things, and ends a test that hangs."""
    deadline = time.monotonic() + limit_s
    while not met():
        assert time.monotonic() < deadline, f"not met within {limit_s:g} s"
        time.sleep(0.02)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
