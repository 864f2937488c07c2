"""`config.yml` of a run, read without running code.

nerfstudio writes its configuration as a pickle in YAML and reads it with a loader that calls whatever the file names: a
run from elsewhere could start any program. Here a file may name classes of nerfstudio, of splatkit and of torch's
optimizers, and paths; all else is refused by its name. Objects are dataclasses, filled field by field and never called;
fields that the file does not know yet, because an older version wrote it, have their defaults.

Runs of splatkit 0.1.0 name modules that have moved since; `_MOVED` says where to.
"""

import dataclasses
import enum
import importlib
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from splatkit.errors import DatasetError

PACKAGES = frozenset({"nerfstudio", "splatkit"})
_COLLATE = "nerfstudio.data.utils.nerfstudio_collate.nerfstudio_collate"  # the one function that configurations hold
# Programs rather than parts of a run: their classes start others.
_PROGRAMS = ("nerfstudio.scripts", "nerfstudio.process_data", "nerfstudio.viewer_legacy")
_PATHS = frozenset({"pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath"})
_TAG = "tag:yaml.org,2002:python/"

_MOVED = {  # modules of splatkit 0.1.0 that its runs name
    "splatkit.optimize.datamanager": "splatkit.optimize.data.datamanager",
    "splatkit.optimize.dataparser": "splatkit.optimize.data.dataparser",
    "splatkit.optimize.ges_model": "splatkit.optimize.ges.model",
    "splatkit.optimize.ges_model_config": "splatkit.optimize.ges.settings",
    "splatkit.optimize.ges_pipeline": "splatkit.optimize.ges.pipeline",
    "splatkit.optimize.optimizers": "splatkit.optimize.nerfstudio.optimizers",
    "splatkit.optimize.ray_trainer": "splatkit.optimize.rays.trainer",
    "splatkit.optimize.simplex_nerf_model": "splatkit.optimize.rays.simplex_nerf_model",
    "splatkit.optimize.simplex_sdf_model": "splatkit.optimize.rays.simplex_sdf_model",
    "splatkit.splatting.kernel": "splatkit.splatting.kernels.table",
    "splatkit.optimize.trainer": "splatkit.optimize.nerfstudio.trainer",
}


def load_config(text: str, where: Path | str, packages: frozenset[str] = PACKAGES) -> Any:
    """The object that a `config.yml` describes.

    Args:
        text: content of the file.
        where: for messages, the file.
        packages: whose classes it may name.

    Raises:
        DatasetError: not YAML, or it names something else; `where` and the name are told.
    """
    loader = _ConfigLoader(text, packages)
    try:
        return loader.get_single_data()
    except _RefusedNameError as error:
        raise DatasetError(f"{where}: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{where}: cannot be read as the config.yml of a run ({reason})") from error
    finally:
        loader.dispose()


class _RefusedNameError(Exception):
    """A name that a configuration may not hold; says which and why."""


class _ConfigLoader(yaml.SafeLoader):
    """Plain YAML, and the few objects that configurations consist of."""

    def __init__(self, text: str, packages: frozenset[str]) -> None:
        super().__init__(text)
        self.packages = packages

    def find(self, name: str) -> Any:
        """The class, or one known function, of a full name."""
        module, _, attribute = name.rpartition(".")
        package = name.split(".", 1)[0]
        is_ours = package in self.packages and not module.startswith(_PROGRAMS)
        if not is_ours and not name.startswith("torch.optim."):
            raise _RefusedNameError(
                f"refused, it names {name}; a configuration may hold classes of {', '.join(sorted(self.packages))}, "
                "torch's optimizers and paths, for anything else could run code"
            )
        module = _MOVED.get(module, module)
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            raise _RefusedNameError(
                f"names {name}, which this version of {package} does not have; train on from the run's checkpoints "
                "with `ns-train METHOD --load-dir RUN/nerfstudio_models`, which makes a new config.yml"
            ) from None
        if name == _COLLATE or (isinstance(found, type) and self._is_allowed(found)):
            return found
        raise _RefusedNameError(f"refused, it names {name}, which is no class of a run's configuration")

    def _is_allowed(self, found: type) -> bool:
        """By where it was defined: modules also hold what they import."""
        if found.__module__.split(".", 1)[0] in self.packages:
            return True
        from torch.optim import Optimizer  # seconds, and most configurations have their own

        return issubclass(found, Optimizer)


def _construct_name(loader: _ConfigLoader, name: str, _: yaml.Node) -> Any:
    return loader.find(name)


def _construct_object(loader: _ConfigLoader, name: str, node: yaml.Node) -> Iterator[Any]:
    """A dataclass; empty at first, since files name an object again by an anchor inside itself."""
    kind = loader.find(name)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)) or not isinstance(node, yaml.MappingNode):
        raise _RefusedNameError(f"refused, it builds a {name}, which is no part of a run's configuration")
    built = object.__new__(kind)
    yield built
    values: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in values.keys() - fields.keys():
        if not isinstance(key, str) or hasattr(kind, key):  # it would stand in for a method
            raise _RefusedNameError(f"refused, it replaces {key} of {name}")
        if kind.__module__.startswith("splatkit."):
            raise _RefusedNameError(f"{name} has no setting {key}; was the run made by a newer version of splatkit?")
    vars(built).update({key: _default(field, name) for key, field in fields.items() if key not in values} | values)


def _default(field: "dataclasses.Field[Any]", name: str) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is dataclasses.MISSING:
        raise _RefusedNameError(f"{name} lacks its {field.name}")
    return field.default_factory()


def _construct_call(loader: _ConfigLoader, name: str, node: yaml.Node) -> Any:
    """Paths, members of enumerations, and classes with a parameter, as Manager[Dataset]."""
    if not isinstance(node, yaml.SequenceNode):
        raise _RefusedNameError(f"refused, it calls {name}")
    arguments = loader.construct_sequence(node, deep=True)
    if name in _PATHS and all(isinstance(part, str) for part in arguments):
        return Path(*arguments)
    if name in ("_operator.getitem", "operator.getitem") and len(arguments) == 2:
        generic, parameter = arguments
        if isinstance(generic, type) and isinstance(parameter, type) and hasattr(generic, "__class_getitem__"):
            return operator.getitem(generic, parameter)  # type: ignore[call-overload]  # of a class: __class_getitem__
        raise _RefusedNameError(f"refused, it calls {name} of something that is no class")
    kind = loader.find(name)
    if isinstance(kind, type) and issubclass(kind, enum.Enum) and len(arguments) == 1:
        return kind(arguments[0])
    raise _RefusedNameError(f"refused, it calls {name}")


def _construct_tuple(loader: _ConfigLoader, node: yaml.Node) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise _RefusedNameError("refused, a tuple of it is no sequence")
    return tuple(loader.construct_sequence(node, deep=True))


def _construct_other(loader: _ConfigLoader, suffix: str, _: yaml.Node) -> Any:
    raise _RefusedNameError(f"refused, it holds a !!python/{suffix}")


_ConfigLoader.add_constructor(f"{_TAG}tuple", _construct_tuple)
_ConfigLoader.add_multi_constructor(f"{_TAG}name:", _construct_name)
_ConfigLoader.add_multi_constructor(f"{_TAG}object:", _construct_object)
_ConfigLoader.add_multi_constructor(f"{_TAG}object/apply:", _construct_call)
_ConfigLoader.add_multi_constructor(_TAG, _construct_other)
