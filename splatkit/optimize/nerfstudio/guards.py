"""Guards against defects of nerfstudio 1.1.5 and of its viewer that would bite a user of splatkit.

Each guard names its defect. Guards are light, may be applied more than once and never raise: nerfstudio loads plugins
without a safety net, so an exception here would take down every ns-* command for every method.
"""

import contextlib
import mimetypes
import os
import shutil
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

import numpy as np
import torch
import yaml

from splatkit.errors import SplatkitError
from splatkit.messages import LOGGER, are_joined, join_pipeline
from splatkit.runs.config_file import PACKAGES, load_config


def apply_host_guards() -> None:
    """Apply all guards."""
    for guard in (
        _allow_numpy_scalars,
        _serve_javascript,
        _silence_host_warnings,
        _provide_ffmpeg,
        _say_errors_in_one_line,
        _read_configs_as_data,
        join_pipeline,
    ):
        with contextlib.suppress(Exception):
            guard()


def _allow_numpy_scalars() -> None:
    """Checkpoints of stock methods hold numpy scalars as learning rates, which torch >= 2.6 refuses to load.

    nerfstudio #3683. Adding exactly the types that occur keeps loading safe (`weights_only`), for every method.
    """
    scalar = np.float64(0).__reduce__()[0]  # lives in another module in numpy 1 than in numpy 2
    names: list[Any] = [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]
    types: list[Any] = [np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType]
    torch.serialization.add_safe_globals([*names, *types])


def _read_configs_as_data() -> None:
    """nerfstudio reads `config.yml` with PyYAML's full loader, which runs whatever code the file names.

    Its scripts ask `yaml.load` for that loader when they are called; they, and nobody else, get one that builds classes
    of nerfstudio and of installed plugins, and refuses other names.
    """
    original = yaml.load
    if hasattr(original, "reads_configs_as_data"):
        return

    def load(stream: Any, Loader: Any) -> Any:
        if Loader in (yaml.Loader, yaml.UnsafeLoader) and _is_nerfstudio(sys._getframe(1).f_globals):
            return load_config(stream if isinstance(stream, str) else stream.read(), "config.yml", plugin_packages())
        return original(stream, Loader)

    load.reads_configs_as_data = True  # type: ignore[attr-defined]  # marks a function, which has no such field
    yaml.load = load


def _is_nerfstudio(caller: Mapping[str, Any]) -> bool:
    """Whether a module with these globals is nerfstudio's, also where it was started by `python -m`."""
    spec = caller.get("__spec__")
    name = caller.get("__name__", "") if spec is None else spec.name
    return str(name).startswith("nerfstudio.")


def plugin_packages() -> frozenset[str]:
    """nerfstudio, splatkit and the packages of all plugins that are installed: what their runs may name."""
    groups = ("nerfstudio.method_configs", "nerfstudio.dataparser_configs")
    plugins = {point.module.split(".", 1)[0] for group in groups for point in entry_points(group=group)}
    return PACKAGES | plugins


def _serve_javascript() -> None:
    """Some machines map .js to text/plain; a browser then refuses the viewer's script and stays blank (#3462)."""
    mimetypes.add_type("text/javascript", ".js")


def _silence_host_warnings() -> None:
    """Warnings about code of the host that a user can do nothing about, by module and message."""
    for message in (
        "Using a non-tuple sequence",
        "To copy construct from a tensor",
        "Converting a tensor with requires_grad",
    ):
        warnings.filterwarnings("ignore", message=message, category=UserWarning, module=r"nerfstudio\.")
    warnings.filterwarnings("ignore", message=r".*torch\.cuda\.amp", category=FutureWarning, module=r"nerfstudio\.")


def _say_errors_in_one_line() -> None:
    """The host prints a traceback of its own code around an error that says all in one line.

    Only errors of splatkit about data, settings, checkpoints and files are shortened; whatever else goes wrong keeps
    its traceback.
    """
    previous = sys.excepthook
    if getattr(previous, "says_splatkit_errors", False):
        return

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if are_joined():
            LOGGER.error("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))
        if issubclass(kind, SplatkitError) or (issubclass(kind, OSError) and _raised_by_splatkit(traceback)):
            print(f"{kind.__name__}: {error}", file=sys.stderr)
        else:
            previous(kind, error, traceback)

    hook.says_splatkit_errors = True  # type: ignore[attr-defined]  # marks a function, which has no such field
    sys.excepthook = hook


def _raised_by_splatkit(traceback: TracebackType | None) -> bool:
    name = ""
    for frame, _ in walk_tb(traceback):
        name = frame.f_globals.get("__name__", "")
    return name.startswith("splatkit.")


def _provide_ffmpeg() -> None:
    """`ns-render` refuses to start without a program named ffmpeg, even to write images.

    imageio-ffmpeg brings one under another name; a link of the right name goes into a private folder at the end of
    this process's PATH.
    """
    if shutil.which("ffmpeg") is not None:
        return
    import imageio_ffmpeg

    folder = Path(tempfile.gettempdir()) / f"splatkit-ffmpeg-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # A folder that someone else made under this name could hold any program.
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        return
    link = folder / "ffmpeg"
    target = imageio_ffmpeg.get_ffmpeg_exe()
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    os.environ["PATH"] = os.environ.get("PATH", "") + os.pathsep + str(folder)


@contextlib.contextmanager
def without_lpips() -> Iterator[None]:
    """Inside, models of nerfstudio are built without LPIPS, whose weights they would download.

    They look the class up when `populate_modules` runs; `metrics` measures LPIPS where its weights are there.
    """
    import torchmetrics.image.lpip as module

    name = "LearnedPerceptualImagePatchSimilarity"
    original = getattr(module, name)
    setattr(module, name, _NoLpips)
    try:
        yield
    finally:
        setattr(module, name, original)


class _NoLpips(torch.nn.Module):
    def __init__(self, **_: Any) -> None:
        super().__init__()
