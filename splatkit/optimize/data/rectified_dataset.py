"""Images of a dataset as the cameras of training see them, with masks, measured depths and where nothing is."""

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.images import image_size, read_image, read_mask
from splatkit.io.maps.background_maps import read_background_map
from splatkit.io.maps.depth_maps import DepthMap, read_depth_map
from splatkit.io.maps.normal_maps import read_normal_map
from splatkit.optimize.data.lenses import Lens, rectify
from splatkit.optimize.data.measured_depth import MeasuredDepth, measured_depth


class RectifiedDataset(InputDataset):
    """Images, masks and maps without lens distortion, matching the cameras that `splatkit-data` reports.

    The host would undistort lazily and change the cameras while it does, so that whoever asks earlier gets others; it
    would leave depths as they are.
    """

    def __init__(self, dataparser_outputs: DataparserOutputs, scale_factor: float = 1.0) -> None:
        self.lenses: list[Lens] | None = dataparser_outputs.metadata.get("lenses")
        if self.lenses is not None:  # the host's way of reading masks would scale them before they are rectified
            dataparser_outputs = dataclasses.replace(dataparser_outputs, mask_filenames=None)
        super().__init__(dataparser_outputs, scale_factor)

    def get_numpy_image(self, image_idx: int) -> NDArray[np.uint8]:
        """Image [H, W, 3 or 4], uint8; one clear error for a damaged file."""
        image = read_image(self.image_filenames[image_idx])
        if self.lenses is not None:
            image = rectify(image, self.lenses[image_idx], cv2.INTER_LINEAR)
        return self._scaled(image, cv2.INTER_AREA)

    def get_metadata(self, data: dict[str, Any]) -> dict[str, Any]:
        """Mask [H, W, 1] bool, measured depth, and how sure it is that nothing is there ("background_map" [H, W] uint8,
        255 for certainly) of an image, where it has them.
        """
        index, out = data["image_idx"], dict[str, Any]()
        allowed = self._allowed(index)
        if allowed is not None and self.lenses is not None:
            mask = rectify(allowed.astype(np.uint8), self.lenses[index], cv2.INTER_NEAREST)
            out["mask"] = torch.from_numpy(self._scaled(mask, cv2.INTER_NEAREST).astype(bool))[..., None]
        depth = self._depth(index, allowed)
        if depth is not None:
            out["measured_depth"] = depth
        background = self._background(index, allowed)
        if background is not None:
            out["background_map"] = torch.from_numpy(background)
        return out

    def _allowed(self, index: int) -> NDArray[np.bool_] | None:
        """Which pixels of an image as stored count: by its mask, and by what its lens can see."""
        if self.lenses is None:
            return None
        lens, path = self.lenses[index], self.metadata["mask_paths"][index]
        usable = lens.trained.usable_pixels()  # of a native fisheye: what looks far sideways does not count
        if path is None:
            return usable
        mask = read_mask(path)
        _check_size(path, mask, (lens.stored.height, lens.stored.width), "mask", "image")
        return mask if usable is None else mask & usable

    def _depth(self, index: int, allowed: NDArray[np.bool_] | None) -> MeasuredDepth | None:
        path = self._file("depth_filenames", index)
        if path is None or not self._knows_lens(index):
            return None
        unit = self.metadata.get("depth_unit_scale_factor", 1e-3) * self._dataparser_outputs.dataparser_scale
        stored = read_depth_map(path, self._file("depth_sigma_filenames", index), unit)
        lens = None if self.lenses is None else self.lenses[index]
        size, normals = image_size(self.image_filenames[index]), self._normals(index, stored)
        return measured_depth(stored, lens, size, self.scale_factor, allowed, normals)

    def _normals(self, index: int, depth_map: DepthMap) -> NDArray[np.float32] | None:
        """Of the pixels of an image's depth map."""
        path = self._file("normal_filenames", index)
        if path is None:
            return None
        normals = read_normal_map(path)
        _check_size(path, normals, depth_map.depths.shape, "normal map", "depths")
        return normals

    def _background(self, index: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
        path = self._file("background_filenames", index)
        if path is None or self.lenses is None:
            return None
        lens = self.lenses[index]
        confidences = (255 * read_background_map(path)).round().astype(np.uint8)
        _check_size(path, confidences, (lens.stored.height, lens.stored.width), "background map", "image")
        if allowed is not None:
            confidences = np.where(allowed, confidences, np.uint8(0))
        return self._scaled(rectify(confidences, lens, cv2.INTER_NEAREST), cv2.INTER_NEAREST)

    def _file(self, kind: str, index: int) -> Path | None:
        """The file of an image by a name of the metadata."""
        paths: list[Path | None] | None = self.metadata.get(kind)
        return None if paths is None else paths[index]

    def _knows_lens(self, index: int) -> bool:
        """Whether depths can follow the image; of other data parsers the host removes the distortion by itself."""
        distortion = self.cameras.distortion_params
        return self.lenses is not None or distortion is None or not bool(distortion[index].any())

    def _scaled(self, image: NDArray[np.uint8], interpolation: int) -> NDArray[np.uint8]:
        if self.scale_factor == 1.0:
            return image
        height, width = image.shape[:2]
        size = (int(width * self.scale_factor), int(height * self.scale_factor))
        return cv2.resize(image, size, interpolation=interpolation).astype(np.uint8)


def _check_size(path: Path, values: NDArray[Any], size: tuple[int, ...], what: str, whose: str) -> None:
    """Refuse a map [H, W, ...] of another height and width than that of the image, or of the depths, it belongs to."""
    if values.shape[:2] != size:
        raise DatasetError(
            f"{path}: the {what} has {values.shape[1]}x{values.shape[0]} px, its {whose} {size[1]}x{size[0]}"
        )
