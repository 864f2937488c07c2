"""The host's pipeline, with means over the images that have a metric: not every held-out view has measured depths."""

import math
from typing import Any

import torch
from nerfstudio.pipelines.base_pipeline import VanillaPipeline


class GesPipeline(VanillaPipeline):
    """See the module."""

    def get_average_image_metrics(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As the host's; a metric that an image does not have (NaN) does not spoil the mean of the others."""
        records: list[dict[str, float]] = []
        self.model.evaluated = records
        means: dict[str, float] = super().get_average_image_metrics(*args, **kwargs)
        self.model.evaluated = None
        for name in [name for name, value in means.items() if math.isnan(value) and not name.endswith("_std")]:
            values = torch.tensor([record[name] for record in records])
            values = values[values.isfinite()]
            deviation = means.pop(f"{name}_std", None)
            if len(values) == 0:
                del means[name]
                continue
            means[name] = float(values.mean())
            if deviation is not None and len(values) > 1:
                means[f"{name}_std"] = float(values.std())
        return means
