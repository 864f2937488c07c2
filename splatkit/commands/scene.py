"""`splatkit scene`: generated scenes as datasets."""

from splatkit.commands.terminal import say, show_progress
from splatkit.synthetic.settings import SceneSettings


def run_scene(settings: SceneSettings) -> None:
    """Make the dataset; say what is in it."""
    from splatkit.synthetic.stage import make_scene

    made = make_scene(settings, show_progress)
    scans = "" if made.scans is None else f", LiDAR sweeps: {made.scans}"
    say(f"{settings.out}: {settings.views} views of {made.name}, {settings.width}x{settings.height}{scans}")
