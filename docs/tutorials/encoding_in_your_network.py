"""A simplex-hash encoding in a network of your own: fit the signed distance of a torus, with exact gradients.

The module has the names of tiny-cuda-nn's and nerfstudio's encodings, and takes their place.
"""

import torch
from torch import nn

from splatkit import SimplexHashEncoding

torch.manual_seed(0)
STEPS, BATCH = 150, 4096


def torus(points):
    """[M, 3] in the unit cube -> [M] signed distance, negative inside."""
    x, y, z = (points - 0.5).unbind(-1)
    return torch.hypot(torch.hypot(x, y) - 0.3, z) - 0.1


encoding = SimplexHashEncoding(in_dim=3, num_levels=8, min_res=4, max_res=64, log2_hashmap_size=14)
network = nn.Sequential(nn.Linear(8 * 2, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam([*encoding.parameters(), *network.parameters()], lr=0.01)

for step in range(STEPS):
    points = torch.rand(BATCH, 3)
    loss = (network(encoding(points))[:, 0] - torus(points)).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 0:
        first = loss.item()

# Gradients reach the positions too, and may be differentiated again: |gradient| = 1 is the eikonal equation.
points = torch.rand(256, 3, requires_grad=True)
distance = network(encoding(points))[:, 0]
(normals,) = torch.autograd.grad(distance.sum(), points, create_graph=True)
eikonal = (normals.norm(dim=-1) - 1).square().mean()
eikonal.backward()
print(f"mean error {first:.4f} -> {loss.item():.4f}; eikonal error {eikonal.item():.3f}")
