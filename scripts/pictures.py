"""The pictures of README and docs: `scripts/pictures.py NAME --out docs/pictures`."""

from parts import run_part

PICTURES = {
    "demo": ("drawings.demo", "overview.jpg, from a finished `make demo`"),
    "courtyard": ("drawings.courtyard", "courtyard.jpg, from a synthetic walk"),
    "flexicubes": ("drawings.flexicubes", "flexicubes*, synthetic stairs as three methods reconstruct them"),
}

if __name__ == "__main__":
    run_part("pictures.py", "Draws pictures from synthetic scenes.", PICTURES)
