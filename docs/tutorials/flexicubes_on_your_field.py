"""FlexiCubes on a field of your own: a sphere becomes a box, because points of the box say so.

The field is a plain tensor on a grid. A network works the same way: pass a function of points [M, 3] instead.
"""

import torch

from splatkit import FlexiCubes
from splatkit.isosurface.regularization import deviation_loss, sign_change_loss

torch.manual_seed(0)
CELLS, STEPS = 24, 80

# Where to start: the distance to a sphere, negative inside, at the vertices of the grid.
axis = torch.linspace(-1, 1, CELLS + 1)
grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)  # [25, 25, 25, 3]
field = (grid.norm(dim=-1) - 0.7).requires_grad_()

cubes = FlexiCubes(resolution=CELLS, low=(-1, -1, -1), high=(1, 1, 1))
optimizer = torch.optim.Adam([field, *cubes.parameters()], lr=0.01)
cubes.follow(optimizer)  # weights exist for cells that a surface passed: the optimizer learns of new ones


def distance_to_box(points):
    """[M, 3] -> [M] signed distance to a box of half sides 0.6, 0.5, 0.4."""
    beyond = points.abs() - torch.tensor([0.6, 0.5, 0.4])
    return beyond.clamp(min=0).norm(dim=-1) + beyond.amax(-1).clamp(max=0)


for step in range(STEPS):
    surface = cubes(field)
    error = distance_to_box(surface.vertices).square().mean()
    loss = error + 0.01 * deviation_loss(surface) + 0.001 * sign_change_loss(surface)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 0:
        first = error.item()

cubes.eval()  # two triangles a quad, the final form
with torch.no_grad():
    mesh = cubes(field)
mean = distance_to_box(mesh.vertices).abs().mean().item()
print(f"mean squared distance {first:.4f} -> {error.item():.6f}; {len(mesh.faces)} faces, {mean:.4f} off on average")
