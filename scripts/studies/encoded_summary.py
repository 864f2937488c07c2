"""The table of the study of encodings, its figures as JSON, and a plot of what simplices gain over cubes."""

import json
from pathlib import Path

from splatkit.io.atomic import atomic_file
from splatkit.io.images import write_image
from splatkit.report.plots import plot_curves
from studies.encoded import SIZES, EncodedCase
from studies.store import group_by, mean_and_spread

_PSNR, _DISAGREEMENT = "PSNR, dB", "insides that disagree, 1 - IoU of samples near the surface, %"
_LABELS = {"images": _PSNR, "scenes": f"held-out {_PSNR}", "meshes": _DISAGREEMENT, "motion": _DISAGREEMENT}
Results = list[tuple[EncodedCase, dict[str, float]]]


def _quality(result: dict[str, float]) -> float:
    """What a section is judged by: the higher the better for PSNR, the lower for distance fields."""
    return result["psnr"] if "psnr" in result else 100 * (1 - result["iou"])


def fetches(case: EncodedCase) -> int:
    """Table entries that the features of a point are made of."""
    dims = SIZES[case.section].dims
    lattice, levels, _ = SIZES[case.section].of(case.variant)
    return levels * (2**dims if lattice == "grid" else dims + 1)


def write_encoded_summary(out: Path, results: Results) -> None:
    """Write summary.md, summary.json and gains.png into `out`."""
    text = ["# Encodings compared", "", "Mean and standard deviation over the seeds."]
    rows: list[dict[str, str | float]] = []
    for (section, limit), found in group_by(results, lambda case: (case.section, case.limit)).items():
        amount = found[0][0].amount
        text += [
            "",
            f"## {section}, {amount} {'steps' if limit == 'steps' else 'CPU-seconds'} each: {_LABELS[section]}",
            "",
        ]
        text += [
            "| subject | variant | levels x fetches | parameters | result | steps | CPU-seconds |",
            "|---" * 7 + "|",
        ]
        for (subject, variant), cell in group_by(found, lambda case: (case.subject, case.variant)).items():
            case = cell[0][0]
            mean, spread = mean_and_spread([_quality(result) for _, result in cell])
            cost = {name: mean_and_spread([result[name] for _, result in cell])[0] for name in ("steps", "cpu_s")}
            parameters = cell[0][1]["parameters"]
            levels = SIZES[section].of(variant)[1]
            text.append(
                f"| {subject} | {variant} | {levels} x {fetches(case) // levels} | {parameters:,.0f} "
                f"| {mean:.2f} ± {spread:.2f} | {cost['steps']:.0f} | {cost['cpu_s']:.1f} |"
            )
            rows.append(
                {
                    "section": section,
                    "subject": subject,
                    "variant": variant,
                    "limit": limit,
                    "amount": amount,
                    "metric": _LABELS[section],
                    "mean": mean,
                    "deviation": spread,
                    "seeds": len(cell),
                    "fetches": fetches(case),
                    "parameters": parameters,
                    **cost,
                }
            )
    with atomic_file(out / "summary.md") as temporary:
        temporary.write_text("\n".join(text) + "\n", encoding="utf-8")
    with atomic_file(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n")
    if curves := _gains(rows):
        write_image(
            out / "gains.png", plot_curves(curves, "subject, in the order of the table", "cubes' error / error")
        )


def _gains(rows: list[dict[str, str | float]]) -> dict[str, tuple[list[float], list[float]]]:
    """Of simplices over cubes, subject by subject: by what the error (RMS, or share of insides) is smaller."""
    error = {
        (row["limit"], row["section"], row["subject"], row["variant"]): (
            10 ** (-float(row["mean"]) / 20) if _PSNR in str(row["metric"]) else float(row["mean"])
        )
        for row in rows
    }
    subjects = list(dict.fromkeys((row["section"], row["subject"]) for row in rows))
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for limit, variant in dict.fromkeys((row["limit"], row["variant"]) for row in rows if row["variant"] != "grid"):
        x, y = curves.setdefault(f"{variant}, equal {'steps' if limit == 'steps' else 'CPU time'}", ([], []))
        for place, subject in enumerate(subjects):
            pair = [error.get((limit, *subject, name)) for name in ("grid", variant)]
            if pair[0] is not None and pair[1] is not None:
                x.append(place)
                y.append(pair[0] / pair[1])
    return curves
