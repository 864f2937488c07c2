"""Every kernel once on a small case, against the float64 definitions: `smoke.py [--device cpu] [--only WORD]`.

compute-sanitizer watches the same cases.
"""

import argparse
import sys
import time

import torch

from gpu_checks import field_cases, photo_consistency, splat_cases, stereo
from gpu_checks.comparison import Case

CASES = [*splat_cases.CASES, *field_cases.CASES, *stereo.CASES, *photo_consistency.CASES]


def main() -> None:
    """Run the cases, say of each what came of it at once, and exit with 1 where any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default="", help="run the cases with this in their names")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name]
    failed = [case.name for case in cases if not passes(case, options.device)]
    kernels = set().union(*(case.kernels for case in cases))
    print(f"{len(cases)} cases, {len(kernels)} kernels; {'failed: ' + ', '.join(failed) if failed else 'all right'}")
    sys.exit(1 if failed or not cases else 0)


def passes(case: Case, device: str) -> bool:
    """Run one case. What it raises is its failure: the others still run."""
    start = time.perf_counter()
    try:
        findings = case.run(device)
        if device.startswith("cuda"):
            torch.cuda.synchronize()  # here, so that a fault is this case's
    except Exception as error:
        print(f"[failed] {case.name}: {type(error).__name__}: {error}", flush=True)
        return False
    wrong = [finding for finding in findings if not finding.fine]
    for finding in wrong:
        print(f"[failed] {case.name}: {finding.what} is off by {finding.error:.2g}, at most {finding.most:g}")
    if not wrong:
        print(f"[passed] {case.name} ({time.perf_counter() - start:.1f} s)", flush=True)
    return not wrong


if __name__ == "__main__":
    main()
