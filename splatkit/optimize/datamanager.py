"""Images and cameras of a run: whole images, cached as bytes, in an order that a resumed run repeats."""

import random
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.datamanagers.full_images_datamanager import FullImageDatamanager, FullImageDatamanagerConfig
from nerfstudio.data.datasets.base_dataset import InputDataset
from numpy.typing import NDArray

from splatkit.io.images import read_image
from splatkit.io.transforms_json import Intrinsics
from splatkit.optimize.dataparser import opencv_distortion


class RectifiedDataset(InputDataset):
    """Images and masks without lens distortion, matching the pinhole cameras that `splatkit-data` reports.

    The host would undistort lazily and change the cameras while it does, so that whoever asks earlier gets others.
    """

    def get_numpy_image(self, image_idx: int) -> NDArray[np.uint8]:
        """Image [H, W, 3 or 4], uint8; one clear error for a damaged file."""
        image = read_image(self.image_filenames[image_idx])
        lens = self._lens(image_idx)
        if lens is not None:
            image = _rectify(image, *lens, cv2.INTER_LINEAR)
        if self.scale_factor != 1.0:
            height, width = image.shape[:2]
            size = (int(width * self.scale_factor), int(height * self.scale_factor))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        return image

    def get_metadata(self, data: dict[str, Any]) -> dict[str, Any]:
        """The mask without distortion, where there are both; masks take the nearest pixel."""
        lens = self._lens(data["image_idx"])
        if lens is None or "mask" not in data:
            return {}
        mask = data["mask"][..., 0].numpy().astype(np.uint8)
        return {"mask": torch.from_numpy(_rectify(mask, *lens, cv2.INTER_NEAREST)).bool()[..., None]}

    def _lens(self, index: int) -> tuple[Intrinsics, NDArray[np.float64]] | None:
        lenses = self.metadata.get("lenses")
        return None if lenses is None or not any(lenses[index][0].distortion) else lenses[index]


def _rectify(
    image: NDArray[np.uint8], lens: Intrinsics, K: NDArray[np.float64], interpolation: int
) -> NDArray[np.uint8]:
    """Resample an image [H, W, ...] of a lens as the pinhole camera K (px) sees it."""
    size = (lens.width, lens.height)
    old, new = lens.matrix(), K.copy()
    old[:2, 2] -= 0.5
    new[:2, 2] -= 0.5
    if lens.camera_model == "OPENCV_FISHEYE":
        maps = cv2.fisheye.initUndistortRectifyMap(old, opencv_distortion(lens), np.eye(3), new, size, cv2.CV_32FC1)
    else:
        maps = cv2.initUndistortRectifyMap(old, opencv_distortion(lens), np.eye(3), new, size, cv2.CV_32FC1)
    return cv2.remap(image, maps[0], maps[1], interpolation).astype(np.uint8)


@dataclass
class GesDatamanagerConfig(FullImageDatamanagerConfig):
    """Whole images, cached as bytes."""

    _target: type = field(default_factory=lambda: GesDatamanager)
    cache_images_type: Literal["uint8", "float32"] = "uint8"
    """Bytes take a quarter of the memory."""


class GesDatamanager(FullImageDatamanager[RectifiedDataset]):
    """The host's manager of whole images, usable without a GPU and resumable."""

    config: GesDatamanagerConfig

    def _load_images(
        self, split: Literal["train", "eval"], cache_images_device: Literal["cpu", "gpu"]
    ) -> list[dict[str, torch.Tensor]]:
        # "cpu" pins memory, which needs an accelerator, and the host chooses it for more than 500 images; "gpu" means
        # the device of the run, whatever that is.
        device = cache_images_device if torch.cuda.is_available() else "gpu"
        return super()._load_images(split, cache_images_device=device)

    @cached_property
    def fixed_indices_eval_dataloader(self) -> list[tuple[Cameras, dict[str, Any]]]:
        """All evaluation cameras and images.

        Cached, because the viewer asks every plain property for its value at start.
        """
        cameras = deepcopy(self.eval_dataset.cameras).to(self.device)
        out = []
        for index, data in enumerate(self.cached_eval):
            camera = cameras[index : index + 1]
            camera.metadata = {**(camera.metadata or {}), "cam_idx": index}
            out.append((camera, {**data, "image": data["image"].to(self.device)}))
        return out

    def __getattr__(self, name: str) -> Any:
        if name == "train_pixel_sampler":
            raise AttributeError(
                "ns-export pointcloud and poisson need a method that trains on rays; "
                "for splats take splatkit's own mesh export, or ns-export tsdf --texture-method tsdf"
            )
        return super().__getattr__(name)

    def order_state(self) -> dict[str, Any]:
        """The order of views to come, for a checkpoint."""
        return {
            "train": list(self.train_unseen_cameras),
            "eval": list(self.eval_unseen_cameras),
            "generator": self._generator().getstate(),
        }

    def load_order_state(self, state: Mapping[str, Any]) -> None:
        """Continue with the order of views that `order_state` gave."""
        known = range(len(self.train_dataset))
        if any(index not in known for index in state["train"]):
            raise ValueError(
                f"checkpoint: its views do not fit this dataset of {len(self.train_dataset)} training images"
            )
        self.train_unseen_cameras = list(state["train"])
        self.eval_unseen_cameras = list(state["eval"])
        self._generator().setstate(state["generator"])

    def _generator(self) -> random.Random:
        """The generator that shuffles the views; the host makes it on first use, and only for its "random" strategy."""
        if not hasattr(self, "random_generator"):
            self.random_generator = random.Random(self.config.train_cameras_sampling_seed)
        return self.random_generator
