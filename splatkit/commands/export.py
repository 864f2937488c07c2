"""`splatkit export`: a trained run, or the dataset it was made from, as files that other programs read."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from splatkit.commands.export_colmap import ExportColmap
from splatkit.commands.export_mesh import ExportMesh
from splatkit.commands.export_points import ExportPoints
from splatkit.commands.export_splats import ExportSplats


@dataclass(frozen=True)
class Export:
    """Turn a trained run into files that other programs read."""

    what: (
        Annotated[ExportMesh, tyro.conf.subcommand("mesh", prefix_name=False)]
        | Annotated[ExportSplats, tyro.conf.subcommand("splats", prefix_name=False)]
        | Annotated[ExportPoints, tyro.conf.subcommand("points", prefix_name=False)]
        | Annotated[ExportColmap, tyro.conf.subcommand("colmap", prefix_name=False)]
    )

    def run(self) -> None:
        """Run the export that was asked for."""
        self.what.run()
