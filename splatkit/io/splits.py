"""Which photographs of a dataset train and which are held out to test what came of it.

Training and whatever prepares it ask here, so that nothing that is learned from has seen a photograph that is held out.
What cameras on one body took together is held out together: one of them shows half of what another does.
"""

from splatkit.io.transforms_json import Frame, Transforms

EVAL_INTERVAL = 8  # every 8th image or frame of a rig, by name, is held out: the convention of Mip-NeRF 360 and 3DGS


def split_frames(transforms: Transforms) -> dict[str, list[Frame]]:
    """Frames of "train", "val" and "test", each sorted by name and none empty.

    Listed splits are kept. Without a list for evaluation every 8th of the images that are not listed for training is
    held out; a list that is missing for "val" or "test" is taken from the other.
    """
    by_name = {frame.file_path: frame for frame in transforms.frames}
    listed = {split: [name for name in names if name in by_name] for split, names in transforms.splits.items()}
    names = sorted(by_name)
    held_out = set(listed.get("val", [])) | set(listed.get("test", []))
    if not held_out:
        rest = [name for name in names if name not in listed.get("train", [])]
        held_out = set(rest if "train" in listed else _every_eighth([by_name[name] for name in rest]))
    train = listed.get("train") or [name for name in names if name not in held_out] or names
    # A dataset without a held-out image still trains; its figures are then those of training images.
    val = listed.get("val") or listed.get("test") or sorted(held_out) or train
    test = listed.get("test") or val
    return {
        split: [by_name[name] for name in sorted(chosen)]
        for split, chosen in (("train", train), ("val", val), ("test", test))
    }


def _every_eighth(frames: list[Frame]) -> list[str]:
    """`file_path` of every 8th, and of what was taken together with it."""
    groups: dict[str, list[str]] = {}
    for frame in frames:
        groups.setdefault(frame.rig_frame or frame.file_path, []).append(frame.file_path)
    return [name for group in sorted(groups)[::EVAL_INTERVAL] for name in groups[group]]


def held_out_names(transforms: Transforms) -> set[str]:
    """`file_path` of the frames that evaluation sees and training does not; empty where nothing is held out."""
    names = {split: {frame.file_path for frame in frames} for split, frames in split_frames(transforms).items()}
    return (names["val"] | names["test"]) - names["train"]
