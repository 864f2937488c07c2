"""What steps cost."""

import time


class Clock:
    """Wall seconds of steps, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, step: str) -> None:
        """What has passed since the last step was for this one."""
        now = time.perf_counter()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now
