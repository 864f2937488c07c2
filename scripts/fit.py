"""Fit a field by an encoding and a small network: `scripts/fit.py image|sdf|motion ... --out DIR`.

Interrupt it, start it again: it resumes.
"""

from parts import run_part

FIELDS = {
    "image": ("fields.fit_image", "an image of any size"),
    "sdf": ("fields.fit_sdf", "the signed distance field of a closed mesh, and a mesh out of it again"),
    "motion": ("fields.fit_motion", "a generated object that moves and deforms, in space and time at once"),
}

if __name__ == "__main__":
    run_part("fit.py", "Fits a field by an encoding and a small network.", FIELDS)
