"""Splats of a trained run as a .ply: `scripts/export_splats.py --load-config RUN/config.yml --out FILE.ply`."""

import sys

from splatkit.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", "splats", *sys.argv[1:]]))
