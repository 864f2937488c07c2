"""Studies of what splatkit's parts are worth: `scripts/study.py NAME --out DIR [--quick]`.

Each case of a study is measured once and kept: interrupt it and start it again as you like.
"""

import os

import torch

from parts import run_part

STUDIES = {
    "kernels": ("studies.kernel_study", "which kernel is worth its numbers, on signals, pictures and scenes"),
    "encodings": ("studies.encoding_study", "cubes, simplices, and simplices that spend what they save on levels"),
    "lidar": ("studies.lidar_study", "what a LiDAR brings, the whole way on a synthetic walk"),
    "meshes": ("studies.meshes.study", "what stereo and training are worth for meshes"),
    "recordings": (
        "studies.recordings.study",
        "a recording to a mesh, with the path from its scans and with the true one",
    ),
    "surround": ("studies.surround_study", "how well the ground calibrates cameras around a vehicle"),
    "walks": ("studies.walks.study", "how well a walk without targets calibrates a LiDAR and cameras"),
    "blocks": ("studies.blocks.study", "the planner of blocks on a simulated city"),
    "unordered": ("studies.unordered.study", "structure from motion of many photographs without order"),
    "flexicubes": ("studies.flexicubes_study", "FlexiCubes, dual marching cubes and marching cubes under one loss"),
}

if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    run_part("study.py", "Measures what is missing of a study, then writes its tables and plots.", STUDIES)
