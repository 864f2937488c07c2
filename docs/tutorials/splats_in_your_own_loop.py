"""The rasterizer in your own training loop, as a user of gsplat writes it: fit splats to one picture, on a CPU.

What differs from gsplat is the import and, if you like, `betas`: one exponent a splat, trained like everything else.
"""

import torch

from splatkit import Splats, rasterization, write_splats

torch.manual_seed(0)
WIDTH, HEIGHT, COUNT, STEPS = 64, 48, 300, 60

# The target: two disks with hard edges, which Gaussians find hard.
rows, columns = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
target = torch.full((HEIGHT, WIDTH, 3), 0.1)
target[(columns - 20) ** 2 + (rows - 24) ** 2 < 14**2] = torch.tensor([0.9, 0.3, 0.1])
target[(columns - 44) ** 2 + (rows - 20) ** 2 < 9**2] = torch.tensor([0.1, 0.4, 0.9])

# One pinhole camera that looks along +z, with pixel centers at +0.5.
viewmats = torch.eye(4)[None]  # [1, 4, 4] world to camera
Ks = torch.tensor([[[60.0, 0, WIDTH / 2], [0, 60.0, HEIGHT / 2], [0, 0, 1]]])  # [1, 3, 3] px

# Unbounded parameters, as in any splatting code; beta = 1 + 7 sigmoid(raw), so that raw = -ln 6 is the Gaussian.
raw = {
    "means": torch.rand(COUNT, 3) * torch.tensor([2.0, 1.5, 0.4]) + torch.tensor([-1.0, -0.75, 1.8]),
    "quats": torch.nn.functional.normalize(torch.randn(COUNT, 4), dim=-1),  # wxyz
    "scales": torch.full((COUNT, 3), 0.06).log(),
    "opacities": torch.zeros(COUNT),
    "colors": torch.zeros(COUNT, 3),
    "betas": torch.full((COUNT,), -1.7918),
}
for values in raw.values():
    values.requires_grad_()
optimizer = torch.optim.Adam(
    [
        {"params": [raw["means"]], "lr": 0.005},
        {"params": [raw["quats"], raw["scales"]], "lr": 0.02},
        {"params": [raw["opacities"], raw["colors"], raw["betas"]], "lr": 0.05},
    ]
)

for step in range(STEPS):
    colors, alphas, meta = rasterization(
        raw["means"],
        raw["quats"],
        raw["scales"].exp(),
        raw["opacities"].sigmoid(),
        raw["colors"].sigmoid(),  # [N, 3] features; spherical harmonics with sh_degree=
        viewmats,
        Ks,
        WIDTH,
        HEIGHT,
        betas=1 + 7 * raw["betas"].sigmoid(),
    )
    loss = (colors[0] - target).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 0:
        first = loss.item()

psnr = -10 * torch.log10((colors[0] - target).square().mean()).item()
print(f"loss {first:.3f} -> {loss.item():.3f}, {psnr:.1f} dB, {len(meta['gaussian_ids'])} splats in view")

# A file that every viewer of Gaussian splats shows. Plain colors become spherical harmonics of degree 0.
SH0 = 0.28209479177387814
with torch.no_grad():
    splats = Splats(
        means=raw["means"],
        quats=raw["quats"],
        scales=raw["scales"].exp(),
        opacities=raw["opacities"].sigmoid(),
        sh0=(raw["colors"].sigmoid() - 0.5) / SH0,
        shN=torch.zeros(COUNT, 0, 3),
        betas=1 + 7 * raw["betas"].sigmoid(),
    )
write_splats("two_disks.ply", splats)
