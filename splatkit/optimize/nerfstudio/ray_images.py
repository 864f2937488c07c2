"""Images for the methods that train on rays: read as everywhere in splatkit.

The host's own reading cuts 16 bits of gray off at 255, and takes palettes for gray.
"""

import cv2
import numpy as np
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.data.datasets.base_dataset import InputDataset
from numpy.typing import NDArray

from splatkit.io.images import read_image


class RayImages(InputDataset):
    """The host's dataset with images of any format in 8 bits."""

    def get_numpy_image(self, image_idx: int) -> NDArray[np.uint8]:
        """Image [H, W, 3 or 4], uint8; one clear error for a damaged file."""
        image = read_image(self._dataparser_outputs.image_filenames[image_idx])
        if self.scale_factor == 1.0:
            return image
        height, width = image.shape[:2]
        size = (int(width * self.scale_factor), int(height * self.scale_factor))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


class RayDatamanager(VanillaDataManager[RayImages]):
    """The host's manager of rays with these images."""
