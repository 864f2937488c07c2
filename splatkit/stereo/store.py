"""Where views keep their images and what is believed of them between passes: files, of which a few are in memory.

All results of a view and pass are one file, which is complete or not there: an interrupted run goes on where it was.
"""

import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.geometry.camera import PosedCamera
from splatkit.io.atomic import atomic_file
from splatkit.io.transforms_json import Frame
from splatkit.ops.stereo import MatchedPlanes, pack_grays
from splatkit.stereo.passes import Pass
from splatkit.stereo.working_views import WorkingImage, load_working_image

T = TypeVar("T")
CACHE_BYTES = 1 << 30  # what views in memory take together


class ViewStore:
    """Images and planes of N views, by number."""

    def __init__(self, folder: Path, frames: Sequence[Frame], cameras: Sequence[PosedCamera]) -> None:
        self._folder = folder
        self._frames = frames
        self.cameras = cameras
        self._cache = _Cache(CACHE_BYTES)

    def image(self, view: int) -> WorkingImage:
        """As the working camera sees it."""
        return self._cache.get(("image", view), lambda: self._read_image(view))

    def reduced_image(self, view: int, scale: int) -> WorkingImage:
        """The image with `scale` times fewer pixels on each side."""
        if scale == 1:
            return self.image(view)
        grays, usable, _ = self.grays(view, scale)
        height, width = grays.shape
        colors = self.image(view).colors[: height * scale, : width * scale]
        reduced = np.asarray(cv2.resize(colors, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        clear = self.image(view).clear[: height * scale : scale, : width * scale : scale]
        return WorkingImage(reduced, grays.numpy(), usable.numpy(), clear)

    def grays(self, view: int, scale: int) -> tuple[Tensor, Tensor, Tensor]:
        """Grays uint8, usable pixels bool and packed grays int32, all [h, w], of an image reduced by `scale`."""
        return self._cache.get(("grays", view, scale), lambda: _reduced(self.image(view), scale))

    def K(self, view: int, scale: int) -> NDArray[np.float64]:
        """[3, 3] px of the image reduced by `scale`."""
        return self.cameras[view].camera.reduced(scale).K

    def planes(self, view: int, stage: Pass) -> MatchedPlanes:
        """What a pass found; `views` of it is empty."""
        return self._cache.get((stage.name, view), lambda: self._read_planes(view, stage))

    def has_planes(self, view: int, stage: Pass) -> bool:
        """Whether the view is done with the pass."""
        return self._place(stage, view).is_file()

    def keep_planes(self, view: int, stage: Pass, found: MatchedPlanes) -> None:
        """Write what a pass found."""
        values = torch.cat([found.planes, found.costs[..., None]], -1).numpy()
        with atomic_file(self._place(stage, view)) as temporary:
            np.save(temporary, values)

    def forget(self, stage: Pass) -> None:
        """Delete all that a pass found."""
        shutil.rmtree(self._folder / stage.name, ignore_errors=True)
        self._cache.drop(stage.name)

    def arrays(self, kind: str, view: int) -> dict[str, NDArray[Any]]:
        """What `keep_arrays` wrote."""
        with np.load(self._folder / kind / f"{view:06d}.npz") as file:
            return dict(file)

    def has_arrays(self, kind: str, view: int) -> bool:
        """Whether the view has arrays of a kind."""
        return (self._folder / kind / f"{view:06d}.npz").is_file()

    def keep_arrays(self, kind: str, view: int, arrays: dict[str, NDArray[Any]]) -> None:
        """Write arrays of a view, by name."""
        with atomic_file(self._folder / kind / f"{view:06d}.npz") as temporary:
            np.savez(temporary, **arrays)

    def _place(self, stage: Pass, view: int) -> Path:
        return self._folder / stage.name / f"{view:06d}.npy"

    def _read_planes(self, view: int, stage: Pass) -> MatchedPlanes:
        values = torch.from_numpy(np.load(self._place(stage, view)))
        return MatchedPlanes(values[..., :3].contiguous(), values[..., 3].contiguous(), torch.empty(0))

    def _read_image(self, view: int) -> WorkingImage:
        if self.has_arrays("image", view):
            return WorkingImage(**self.arrays("image", view))
        image = load_working_image(self._frames[view], self.cameras[view].camera)
        self.keep_arrays("image", view, vars(image))
        return image


class _Cache:
    """The values used last, as many as a number of bytes holds."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._values: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        self._total = 0

    def get(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        if key in self._values:
            self._values.move_to_end(key)
            value: T = self._values[key][0]
            return value
        value = make()
        size = _size_of(value)
        self._values[key] = (value, size)
        self._total += size
        while self._total > self._most and len(self._values) > 1:
            self._total -= self._values.popitem(last=False)[1][1]
        return value

    def drop(self, kind: str) -> None:
        for key in [key for key in self._values if key[0] == kind]:
            self._total -= self._values.pop(key)[1]


def _size_of(value: Any) -> int:
    """Bytes of a tensor, an array, or a record of such."""
    if isinstance(value, tuple):
        return sum(_size_of(part) for part in value)
    if isinstance(value, WorkingImage):
        return sum(_size_of(part) for part in vars(value).values())
    return int(value.nbytes)


def _reduced(image: WorkingImage, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    height, width = image.gray.shape[0] // scale, image.gray.shape[1] // scale
    gray, usable = image.gray[: height * scale, : width * scale], image.usable[: height * scale, : width * scale]
    if scale > 1:
        gray = np.asarray(cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        usable = usable.reshape(height, scale, width, scale).all((1, 3))
    grays = torch.from_numpy(np.ascontiguousarray(gray))
    return grays, torch.from_numpy(np.ascontiguousarray(usable)), pack_grays(grays)
