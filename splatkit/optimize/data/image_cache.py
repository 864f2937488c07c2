"""Images of a run in bounded memory: as many as fit stay, the others are decoded each time they are used.

Training uses every image once before any of them again. A cache that forgets what was used longest ago would have
forgotten nearly all by then; keeping the same ones always saves their share of the decoding. While a step computes, the
image of the next one is decoded beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, overload

import torch
from torch import Tensor

from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.nerfstudio.console import tell
from splatkit.progress_bar import show_progress

Batch = dict[str, Any]
GIB = 1 << 30
_THREADS = 2
_GPU_SHARE = 0.4  # of a GPU's free memory; held-out images may take as much of the rest, training needs what is left


class ImageCache(Sequence[Batch]):
    """Batches by the index of their image."""

    def __init__(self, load: Callable[[int], Batch], count: int, limit_bytes: float, description: str) -> None:
        """Load as many as the limit allows, the first ones.

        Args:
            load: makes the batch of an index; the same one each time.
            count: of images.
            limit_bytes: what they may take together.
            description: for the progress bar.
        """
        self._load, self._count = load, count
        self._kept: list[Batch] = []
        self._next: tuple[int, Future[Batch]] | None = None
        self._pool = ThreadPoolExecutor(max_workers=_THREADS)
        with show_progress(description, count) as advance:
            self._fill(limit_bytes, advance)

    def _fill(self, limit_bytes: float, advance: Callable[[int], None]) -> None:
        """Load what fits."""
        taken = 0
        for start in range(0, self._count, _THREADS):
            for batch in self._pool.map(self._load, range(start, min(start + _THREADS, self._count))):
                taken += batch_bytes(batch)
                if taken > limit_bytes:
                    return
                self._kept.append(batch)
                advance(1)

    def __len__(self) -> int:
        return self._count

    @property
    def kept(self) -> int:
        """How many stay in memory."""
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> list[Batch]: ...
    def __getitem__(self, index: int | slice) -> Batch | list[Batch]:
        if isinstance(index, slice):
            return [self[each] for each in range(self._count)[index]]
        index = range(self._count)[index]
        if index < len(self._kept):
            return self._kept[index]
        if self._next is not None and self._next[0] == index:
            batch = self._next[1].result()
            self._next = None
            return batch
        return self._load(index)

    def prepare(self, index: int) -> None:
        """Begin to decode the image that will be asked for next, where it is not in memory."""
        if index >= len(self._kept) and (self._next is None or self._next[0] != index):
            self._next = (index, self._pool.submit(self._load, index))


def batch_bytes(batch: Mapping[str, Any]) -> int:
    """What the tensors of a batch take."""
    tensors = sum(value.numel() * value.element_size() for value in batch.values() if isinstance(value, Tensor))
    return tensors + sum(value.bytes for value in batch.values() if isinstance(value, MeasuredDepth))


def allowed_bytes(wanted: float, device: torch.device) -> float:
    """What images may take on a device: as much as wanted, on a GPU at most a share of the memory that is free now."""
    if device.type != "cuda":
        return wanted
    free, _ = torch.cuda.mem_get_info(device)
    return min(wanted, _GPU_SHARE * free)


def report_size(what: str, count: int, first: Mapping[str, Any], limit_bytes: float) -> None:
    """Say, before anything is loaded, what images like the first one will take, and what happens to the rest."""
    expected = count * batch_bytes(first)
    maps = " with their maps" if {"measured_depth", "background_map"} & set(first) else ""
    size = f"{count} {what} images take about {expected / GIB:.2g} GiB{maps}"
    if expected <= limit_bytes:
        tell(f"{size}.")
    else:
        share = limit_bytes / expected
        tell(
            f"{size}; {limit_bytes / GIB:.3g} GiB are allowed (datamanager.cache-gib and a GPU's memory): "
            f"about {share:.0%} stay in memory, the others are decoded each time they are used."
        )
