"""Where long steps keep their results, so that an interrupted capture goes on and does not begin anew.

The folder .OUT.work lies beside the output. A stage has one folder in it, named by a hash of everything that its
results depend on; a stage of another name is of other inputs or settings and is deleted.
"""

import hashlib
import json
import shutil
from pathlib import Path

from splatkit.io.atomic import remove_leftovers

_KEY_DIGITS = 16


class WorkFolder:
    """The work folder of one output."""

    def __init__(self, out: Path) -> None:
        self.out = Path(out).resolve()
        self.path = self.out.parent / f".{self.out.name}.work"

    def stage(self, name: str, depends_on: object) -> Path:
        """Folder of a stage; what an earlier start with the same inputs and settings left is in it.

        Args:
            name: of the stage.
            depends_on: inputs and settings, as JSON has them.
        """
        text = json.dumps(depends_on, sort_keys=True, default=str)
        folder = self.path / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]}"
        for other in self.path.glob(f"{name}-*"):
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove(self) -> None:
        """Delete all of it, and what runs that were killed left of the output: it is complete now."""
        shutil.rmtree(self.path, ignore_errors=True)
        remove_leftovers(self.out)
