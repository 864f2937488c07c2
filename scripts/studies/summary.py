"""Tables and plots of what a study has found so far.

Plots show what a kernel gains over the Gaussian control: beside that, curves of quality over count look all the same.
"""

import math
from pathlib import Path

from splatkit.io.atomic import atomic_file
from splatkit.io.images import write_image
from splatkit.report.plots import plot_curves
from studies.store import Case, group_by, mean_and_spread

_METRICS = {"lines": ("rms_error", "RMS error"), "images": ("psnr", "PSNR, dB"), "scenes": ("psnr", "PSNR, dB")}


_Curves = dict[str, tuple[list[float], list[float]]]


def _gains(section: str, means: _Curves) -> tuple[_Curves, str]:
    """Of each kernel over the Gaussian, at the counts that both have: dB, or by what the error is smaller."""
    control = dict(zip(*means["gaussian"], strict=True)) if "gaussian" in means else {}
    gains: _Curves = {}
    for kernel, (counts, values) in means.items():
        shared = [
            (count, value, control[count]) for count, value in zip(counts, values, strict=True) if count in control
        ]
        x = [math.log10(count) for count, _, _ in shared]
        if section == "lines":
            gains[kernel] = (x, [reference / max(value, 1e-9) for _, value, reference in shared])
        else:
            gains[kernel] = (x, [value - reference for _, value, reference in shared])
    return gains, "Gaussian's error / error" if section == "lines" else "gain over Gaussian, dB"


def write_summary(out: Path, results: list[tuple[Case, dict[str, float]]]) -> None:
    """Write summary.md and one plot for each section and subject into `out`."""
    text = ["# Kernels compared", "", "Mean and standard deviation over the seeds."]
    for (section, subject), found in group_by(results, lambda case: (case.section, case.subject)).items():
        metric, label = _METRICS[section]
        kernels = list(group_by(found, lambda case: case.kernel))
        text += ["", f"## {section}: {subject} ({found[0][0].steps} steps), {label}", ""]
        text += ["| components | " + " | ".join(kernels) + " |", "|---" * (len(kernels) + 1) + "|"]
        means: dict[str, tuple[list[float], list[float]]] = {kernel: ([], []) for kernel in kernels}
        for count, row in group_by(found, lambda case: case.count).items():
            cells = []
            by_kernel = group_by(row, lambda case: case.kernel)
            for kernel in kernels:
                values = [result[metric] for _, result in by_kernel.get(kernel, [])]
                if not values:
                    cells.append("")
                    continue
                mean, spread = mean_and_spread(values)
                cells.append(f"{mean:.2f} ± {spread:.2f}" if metric == "psnr" else f"{mean:.4f} ± {spread:.4f}")
                means[kernel][0].append(count)
                means[kernel][1].append(mean)
            text.append(f"| {count:,} | " + " | ".join(cells) + " |")
        gains, gain_label = _gains(section, means)
        if gains:
            picture = plot_curves(gains, "components, log10", f"{subject}: {gain_label}")
            write_image(out / f"{section}_{subject}.png", picture)
    with atomic_file(out / "summary.md") as temporary:
        temporary.write_text("\n".join(text) + "\n", encoding="utf-8")
