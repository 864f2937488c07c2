"""Tables of the docs, filled from the records of a benchmark: nobody copies a figure by hand.

A table stands between `<!-- figures: FAMILY/NAME -->` and `<!-- end of figures -->`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from splatkit.errors import SettingsError

_BLOCK = re.compile(r"(<!-- figures: (?P<name>[\w/]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One figure of a cell: the median of the record with this name, whose parameters agree with those given."""

    name: str
    params: Mapping[str, str | int]
    form: str = "{:.3g}"
    peer: str | None = None  # its figure, measured in the same run


Cell = list[Figure | str]
Params = dict[str, str | int]


@dataclass(frozen=True)
class Table:
    """Rows of a label and cells; a cell joins its figures by the words between them."""

    header: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


class Records:
    """What a benchmark wrote."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._records: list[dict[str, Any]] = content["records"]
        self.origin = f"{content['machine']['processor']}, {content['machine']['instruction_set']}, {content['commit']}"

    def find(self, figure: Figure) -> str:
        """A figure as text; SettingsError where not exactly one record is meant."""
        wanted = [
            record
            for record in self._records
            if record["name"] == figure.name
            and all(record["params"].get(key) == value for key, value in figure.params.items())
        ]
        if len(wanted) != 1:
            raise SettingsError(f"{len(wanted)} records are {figure.name} with {dict(figure.params)}; expected one")
        return figure.form.format(wanted[0]["median"] if figure.peer is None else wanted[0]["peers"][figure.peer])


def render_table(table: Table, records: Records) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(table.header) + " |", "|---" * len(table.header) + "|"]
    for label, cells in table.rows:
        texts = ["".join(part if isinstance(part, str) else records.find(part) for part in cell) for cell in cells]
        lines.append("| " + " | ".join([label, *texts]) + " |")
    return "\n".join(lines) + "\n"


def fill_tables(text: str, family: str, tables: Mapping[str, Table], records: Records) -> str:
    """A page with the tables of one family filled again.

    Raises:
        SettingsError: a block's name is unknown, or records are missing, as after --quick.
    """

    def filled(block: re.Match[str]) -> str:
        owner, _, name = block["name"].partition("/")
        if owner != family:
            return block[0]
        if name not in tables:
            raise SettingsError(f"no table {block['name']}; there are {', '.join(tables)}")
        return f"{block[1]}{render_table(tables[name], records)}\n*{records.origin}*\n{block[3]}"

    return _BLOCK.sub(filled, text)


def tables_of(family: str) -> Mapping[str, Table]:
    """Tables of a family by their names."""
    makers: dict[str, Callable[[], dict[str, Table]]] = {
        "calibration": _calibration,
        "encodings": _encodings,
        "isosurface": _isosurface,
        "pipeline": _pipeline,
        "splatting": _splatting,
        "training": _training,
    }
    return makers[family]() if family in makers else {}


def _calibration() -> dict[str, Table]:
    columns = [("16", "no"), ("16", "yes"), ("32", "yes"), ("64", "yes"), ("solid", "yes")]
    names = ["16 rings, planes", "16 rings, rims", "32 rings, rims", "64 rings, rims", "solid state, rims"]

    def cell(poses: int, rings: str, rims: str) -> Cell:
        params: Params = {"poses": poses, "rings": rings, "rims": rims}
        return [
            Figure("synthetic/rotation_deg", params, "{:.3f} deg, "),
            Figure("synthetic/translation_mm", params, "{:.1f} mm"),
            Figure("synthetic/over_cramer_rao", params, " ({:.2f})"),
        ]

    rows = [(str(poses), [cell(poses, *column) for column in columns]) for poses in (3, 4, 7, 10, 20, 40)]
    return {"simulated": Table(["poses", *names], rows)}


def _encodings() -> dict[str, Table]:
    def row(label: str, dims: int, points: str, dtype: str) -> tuple[str, list[Cell]]:
        params: Params = {"dims": dims, "points": points, "dtype": dtype, "threads": 1, "log2_hashmap_size": 19}
        both: list[Cell] = [
            [Figure(f"forward/{lattice}", params, "{:.1f}; "), Figure(f"forward_backward/{lattice}", params, "{:.1f}")]
            for lattice in ("simplex", "grid")
        ]
        return label, [*both, [Figure("speedup/simplex_over_grid", params, "{:.2f}")]]

    def second_derivatives() -> tuple[str, list[Cell]]:
        params: Params = {"dims": 3, "points": "random", "dtype": "float32", "threads": 1, "log2_hashmap_size": 19}
        cells: list[Cell] = [[Figure(f"double_backward/{name}", params, "{:.1f}")] for name in ("simplex", "grid")]
        return "3-D double backward", [*cells, []]

    cases = [
        ("3-D", 3, "random", "float32"),
        ("3-D, samples of rays", 3, "rays", "float32"),
        ("3-D, bfloat16 table", 3, "random", "bfloat16"),
        ("4-D", 4, "random", "float32"),
        ("2-D", 2, "random", "float32"),
    ]
    header = [
        "forward; forward + backward",
        "simplex",
        "cubes (same code, tiny-cuda-nn's formula)",
        "ratio of the latter",
    ]
    return {"rates": Table(header, [*(row(*case) for case in cases), second_derivatives()])}


def _isosurface() -> dict[str, Table]:
    def row(surface: str, cells: int) -> tuple[str, list[Cell]]:
        params: Params = {"surface": surface, "resolution": cells, "threads": 1}
        return f"{surface}, {cells}^3", [
            [Figure("forward", params, "{:.1f}")],
            [Figure("backward", params, "{:.1f}")],
            [Figure("forward", params, "{:.1f}", "scikit-image marching cubes")],
            [Figure("forward_over_marching_cubes", params, "{:.2f}")],
            [Figure("peak_memory_mb", params, "{:.0f} MB")] if surface != "block" else [],
            [Figure("parameters_over_dense", params, "{:.1%}")],
        ]

    cases = [("torus", 32), ("torus", 64), ("torus", 128), ("torus", 256), ("block", 128)]
    cases += [("gyroid", 64), ("gyroid", 128), ("gyroid", 256)]
    header = ["surface, cells", "forward, ms", "backward, ms", "marching cubes, no gradients, ms", "forward over it"]
    header += ["memory", "weights kept, of dense"]
    return {"steps": Table(header, [row(*case) for case in cases])}


def _pipeline() -> dict[str, Table]:
    steps = ["scene", "calibrate.left", "calibrate.right", "capture.images", "capture.lidar", "optimize"]
    steps += ["export.mesh", "export.splats"]

    def row(step: str) -> tuple[str, list[Cell]]:
        times: list[Cell] = [
            [Figure("step/time", {"step": step, "clock": clock}, "{:.0f}")] for clock in ("wall", "cpu")
        ]
        return step, [*times, [Figure("step/peak_memory_mb", {"step": step}, "{:,.0f}")]]

    total: Cell = [Figure("step/time", {"step": "all", "clock": "wall"}, "{:.0f}")]
    header = ["step of `make demo`", "wall, s", "CPU, s", "memory at most, MB"]
    return {"steps": Table(header, [*(row(step) for step in steps), ("all", [total, [], []])])}


def _splatting() -> dict[str, Table]:
    def row(kind: str, splats: int, kernel: str) -> tuple[str, list[Cell]]:
        def figure(name: str, threads: int, form: str, **more: str) -> Figure:
            params: Params = {"set": kind, "kernel": kernel, "splats": splats, "width": 960, "threads": threads, **more}
            return Figure(name, params, form)

        times: list[Cell] = [
            [
                figure(f"frame/{phase}", threads, form, clock="wall")
                for threads, form in ((1, "{:.0f} / "), (2, "{:.0f}"))
            ]
            for phase in ("forward", "backward")
        ]
        pairs: Cell = [figure("pair/forward", 1, "{:.2f}, "), figure("pair/backward", 1, "{:.2f}")]
        name = "Gaussian" if kernel == "gaussian" else "exact GES"
        return f"{kind}, {splats:,} splats, {name}", [*times, pairs]

    cases = [("cloud", count, kernel) for count in (10_000, 100_000) for kernel in ("gaussian", "gef")]
    cases += [("cloud", 1_000_000, "gef"), ("studio", 100_000, "gef"), ("fox", 100_000, "gef")]
    header = ["set", "forward, ms on one core / two", "backward, ms", "ns a contributing pair"]
    return {"frames": Table(header, [row(*case) for case in cases])}


def _training() -> dict[str, Table]:
    caps = (2000, 5000, 10_000, 20_000, 40_000)

    def row(label: str, kernel: str, appearance: str) -> tuple[str, list[Cell]]:
        cells: list[Cell] = [
            [Figure("fox/psnr_ply", {"kernel": kernel, "appearance": appearance, "cap": cap}, "{:.2f}")] for cap in caps
        ]
        if (kernel, appearance) == ("gaussian", "harmonics"):
            return label, [*cells, ["1"]]
        ratio = "fox/bytes_ratio_at_equal_psnr"
        params: Params = {"kernel": kernel, "appearance": appearance}
        files = (("ply", "{:.2f}, "), ("sog", "{:.2f}"))
        return label, [*cells, [Figure(ratio, {**params, "format": name}, form) for name, form in files]]

    rows = [
        row("Gaussians, SH (as splatfacto)", "gaussian", "harmonics"),
        row("exact kernel, SH", "exact", "harmonics"),
        row("Gaussians, 2 lobes", "gaussian", "lobes"),
        row("exact kernel, 2 lobes", "exact", "lobes"),
    ]
    header = ["cap", *(f"{cap:,}" for cap in caps), "bytes at the first row's quality with 10 000: `.ply`, `.sog`"]
    whole: Params = {"scene": "fox", "steps": 2000}
    figures = [("psnr", "{:.2f} dB"), ("ssim", "{:.3f}"), ("cpu_seconds", "{:.0f}"), ("wall_seconds", "{:.0f}")]
    figures += [("peak_memory_mb", "{:,.0f} MB")]
    cells: list[Cell] = [[Figure(f"fox/{name}", whole, form)] for name, form in figures]
    fox = Table(
        ["2 000 steps, no cap on splats", "PSNR", "SSIM", "CPU, s", "wall, s", "memory"],
        [("fox photographs, 270x480, 43 training views", cells)],
    )
    return {"caps": Table(header, rows), "fox": fox}
