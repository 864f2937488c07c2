"""Mesh and splats of a trained run: `scripts/export_mesh.py --load-config RUN/config.yml --out DIR`."""

import sys

from splatkit.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", "mesh", *sys.argv[1:]]))
