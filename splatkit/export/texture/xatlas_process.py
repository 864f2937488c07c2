"""What `unwrapping` runs in a process of its own: `python -m splatkit.export.texture.xatlas_process ...`."""

import sys

import numpy as np
import xatlas


def main(request: str, answer: str, size: int, padding: int, memory_limit_gb: float) -> None:
    """Unwrap the mesh of a file.

    Args:
        request: .npz with vertices [V, 3] float32 and faces [F, 3] uint32; with vertices [V, 2] charts that are only
            to be packed.
        answer: .npz to write, with uvs [T, 2] and faces [F, 3].
        size: of the texture, texels.
        padding: between charts, texels.
        memory_limit_gb: of the process; beyond it an allocation fails.
    """
    _limit_memory(memory_limit_gb)
    with np.load(request) as content:
        vertices, faces = content["vertices"], content["faces"]
    atlas = xatlas.Atlas()
    if vertices.shape[1] == 2:
        atlas.add_uv_mesh(vertices, faces)
    else:
        atlas.add_mesh(vertices, faces)
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding = size, padding
    atlas.generate(pack_options=packing)
    if atlas.atlas_count != 1:
        sys.exit(f"packed into {atlas.atlas_count} textures instead of one")
    _, indices, uvs = atlas[0]
    np.savez(answer, uvs=uvs.astype(np.float32), faces=indices)


def _limit_memory(gigabytes: float) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    texts = sys.argv[1:]
    main(texts[0], texts[1], int(texts[2]), int(texts[3]), float(texts[4]))
