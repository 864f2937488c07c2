"""Images and cameras of a run: whole images, bytes in bounded memory, in an order that a resumed run repeats."""

import random
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast

import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.datamanagers.full_images_datamanager import FullImageDatamanager, FullImageDatamanagerConfig

from splatkit.optimize.data.image_cache import GIB, ImageCache, allowed_bytes, report_size
from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.data.rectified_dataset import RectifiedDataset


@dataclass
class GesDatamanagerConfig(FullImageDatamanagerConfig):
    """Whole images, cached as bytes."""

    _target: type = field(default_factory=lambda: GesDatamanager)
    cache_images_type: Literal["uint8", "float32"] = "uint8"
    """Bytes take a quarter of the memory."""
    cache_gib: float = 8.0
    """Memory that training images (and again held-out ones) may take, GiB; the rest is decoded whenever it is used."""


class GesDatamanager(FullImageDatamanager[RectifiedDataset]):
    """The host's manager of whole images, usable without a GPU and resumable."""

    config: GesDatamanagerConfig
    train_cameras: Cameras

    def _load_images(
        self, split: Literal["train", "eval"], cache_images_device: Literal["cpu", "gpu"]
    ) -> list[dict[str, Any]]:
        dataset = self.train_dataset if split == "train" else self.eval_dataset
        # "cpu" pins memory, which needs an accelerator, and the host chooses it for more than 500 images; "gpu" means
        # the device of the run, whatever that is.
        on_host = cache_images_device == "cpu" and torch.cuda.is_available()
        if dataset.lenses is None and _is_distorted(dataset.cameras):
            images = super()._load_images(split, cache_images_device="cpu" if on_host else "gpu")
            for cameras in (dataset.cameras, self.train_cameras if split == "train" else dataset.cameras):
                _make_pinholes(cameras)
            return cast("list[dict[str, Any]]", images)
        if split == "train":
            self.train_cameras = dataset.cameras.to("cpu" if on_host else self.device)

        def load(index: int) -> dict[str, Any]:
            data = dataset.get_data(index, image_type=self.config.cache_images_type)
            for name, value in data.items():
                if isinstance(value, MeasuredDepth):
                    data[name] = value.to(self.device)
                elif isinstance(value, torch.Tensor):
                    data[name] = value.pin_memory() if on_host else value.to(self.device)
            return cast("dict[str, Any]", data)

        limit = allowed_bytes(self.config.cache_gib * GIB, torch.device("cpu" if on_host else self.device))
        name = "training" if split == "train" else "held-out"
        report_size(name, len(dataset), load(0), limit)
        cache = ImageCache(load, len(dataset), limit, f"loading {name} images")
        return cast("list[dict[str, Any]]", cache)

    def next_train(self, step: int) -> tuple[Cameras, dict[str, Any]]:
        """Camera and image of the step."""
        camera, data = super().next_train(step)
        if isinstance(self.cached_train, ImageCache):
            self.cached_train.prepare(self.train_unseen_cameras[0])
        return camera, data

    @cached_property
    def fixed_indices_eval_dataloader(self) -> "EvaluationViews":
        """All evaluation cameras and images.

        Cached, because the viewer asks every plain property for its value at start.
        """
        return EvaluationViews(deepcopy(self.eval_dataset.cameras).to(self.device), self.cached_eval)

    def __getattr__(self, name: str) -> Any:
        if name == "train_pixel_sampler":
            raise AttributeError(
                "ns-export pointcloud and poisson need a method that trains on rays; for splats take "
                "`splatkit export points` or `splatkit export mesh`, which keep the dataset's frame and scale"
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


class EvaluationViews(Sequence[tuple[Cameras, dict[str, Any]]]):
    """Cameras and images of an evaluation, each made when it is asked for."""

    def __init__(self, cameras: Cameras, images: Sequence[dict[str, Any]]) -> None:
        self._cameras, self._images = cameras, images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        data = self._images[index]
        camera = self._cameras[index : index + 1]
        camera.metadata = {**(camera.metadata or {}), "cam_idx": index}
        return camera, {**data, "image": data["image"].to(self._cameras.device)}


def _is_distorted(cameras: Cameras) -> bool:
    return cameras.distortion_params is not None and bool(cameras.distortion_params.any())


def _make_pinholes(cameras: Cameras) -> None:
    """After the host removed the distortion of images it leaves their cameras' as it was."""
    cameras.distortion_params = None
    cameras.camera_type = torch.full_like(cameras.camera_type, CameraType.PERSPECTIVE.value)
