"""A dataset as a run without training: its photographs, cameras and what was measured in them."""

from dataclasses import dataclass
from pathlib import Path

from splatkit.errors import DatasetError
from splatkit.io.splits import held_out_names, split_frames
from splatkit.io.transforms_json import Frame, Transforms, read_transforms
from splatkit.runs.views import RunView


@dataclass(frozen=True, eq=False)
class DatasetRun:
    """What exports need of a dataset; nothing can be rendered of it."""

    train_views: tuple[RunView, ...]
    eval_views: tuple[RunView, ...]  # held out: nothing was measured by them
    dataset: Path


def load_dataset_run(dataset: Path) -> DatasetRun:
    """Read a dataset whose photographs have measured depths, e.g. of `splatkit capture stereo`.

    Args:
        dataset: folder with a transforms.json, or the file itself.

    Raises:
        FileNotFoundError, DatasetError: it cannot be read, has no depths, or a camera has no pinhole beside it.
    """
    transforms = read_transforms(dataset)
    frames = split_frames(transforms)
    held_out = held_out_names(transforms)
    train = tuple(_view(frame, transforms) for frame in frames["train"])
    if not any(view.is_measured for view in train):
        raise DatasetError(
            f"{dataset}: no photograph has a depth map; measure depths by `splatkit capture stereo --dataset "
            f"{dataset} --out FOLDER`, or train and export the run"
        )
    evaluated = tuple(_view(frame, transforms) for frame in frames["test"] if frame.file_path in held_out)
    return DatasetRun(train, evaluated, Path(dataset))


def _view(frame: Frame, transforms: Transforms) -> RunView:
    camera = frame.camera
    if camera.model in ("equirectangular", "orthographic"):
        raise DatasetError(f"{frame.image_path}: {camera.model} images have no depth along z; cut them into pinholes")
    return RunView(
        frame.image_path,
        frame.posed,
        camera if camera.is_pinhole else camera.rectified(),
        frame.mask_path,
        frame.depth_path,
        frame.depth_sigma_path,
        transforms.depth_unit,
        frame.normal_path,
        frame.background_path,
    )
