"""The methods that there are. What differs between them is asked of their records, never of their names.

A method is a folder beside this file with its record, its nerfstudio specification and what these need; one line here;
and one line among the entry points of pyproject.toml, by which nerfstudio finds it.
"""

from splatkit.errors import SettingsError
from splatkit.optimize.method_record import Method, load_name

RECORDS = (  # "module:name" in `splatkit.optimize`; the first is the default
    "ges.record:GES",
    "rays.records:SIMPLEX_NERF",
    "rays.records:SIMPLEX_SDF",
)


METHODS: dict[str, Method] = {record.name: record for record in map(load_name, RECORDS)}
DEFAULT_METHOD = next(iter(METHODS))


def find_method(name: str) -> Method:
    """The record of a method.

    Raises:
        SettingsError: there is no such method; says which there are.
    """
    found = next((record for record in METHODS.values() if record.name == name), None)
    if found is None:
        raise SettingsError(f"method: expected one of {', '.join(METHODS)}, got {name!r}")
    return found
