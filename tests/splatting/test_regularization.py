import pytest
import torch

from splatkit.splatting.regularization import depth_normals, flatness, needle_penalty, normal_disagreement
from splatkit.splatting.rendering import camera_facing_normals, render_splats

K = torch.tensor([[60.0, 0, 20], [0, 55.0, 15], [0, 0, 1]])


def plane_depths(normal, distance=3.0):
    """Depth [30, 40] of the plane normal . p = -distance that the camera K sees."""
    y, x = torch.meshgrid(torch.arange(30) + 0.5, torch.arange(40) + 0.5, indexing="ij")
    rays = torch.stack([(x - 20) / 60, (y - 15) / 55, torch.ones_like(x)], -1)
    return -distance / (rays @ normal)


@pytest.mark.parametrize("direction", [(0.0, 0, -1), (0.4, 0, -1), (-0.3, 0.5, -1)])
def test_depth_of_a_plane_has_its_normal_everywhere(direction):
    normal = torch.nn.functional.normalize(torch.tensor(direction), dim=0)
    normals, seen = depth_normals(plane_depths(normal), K)
    assert seen.all()
    torch.testing.assert_close(normals, normal.expand(28, 38, 3), atol=1e-5, rtol=0)


def test_pixels_beside_nothing_have_no_normal():
    depths = plane_depths(torch.tensor([0.0, 0, -1]))
    depths[10, 10] = 0
    _, seen = depth_normals(depths, K)
    assert int((~seen).sum()) == 4


def test_disks_that_lie_in_their_plane_agree_with_its_depth_and_turned_ones_are_turned_back():
    """Disks on a plane before a camera that is itself turned: the frames must fit together."""
    x, y = torch.meshgrid(torch.linspace(-1.2, 1.2, 30), torch.linspace(-1, 1, 25), indexing="ij")
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # the camera looks along the world's x
    points = torch.stack([x, y, torch.full_like(x, 3.0)], -1).reshape(-1, 3) @ turn
    viewmat = torch.eye(4)
    viewmat[:3, :3] = turn
    scales = torch.tensor([[0.001, 0.08, 0.08]]).expand(len(points), 3)  # flat along the world's x
    opacities, betas = torch.full((len(points),), 0.9), torch.full((len(points),), 2.0)

    def disagreement(quats):
        normals = camera_facing_normals(points, quats, scales, viewmat[None])[0]
        r = render_splats(points, quats, scales, opacities, betas, normals, viewmat[None], K[None], 40, 30)
        return normal_disagreement(r.colors[0], r.depths[0], r.alphas[0], viewmat, K)

    lying = torch.tensor([[1.0, 0, 0, 0]]).expand(len(points), 4)
    turned = torch.tensor([[1.0, 0, 0.3, 0]]).repeat(len(points), 1).requires_grad_()
    assert disagreement(lying).abs() < 1e-3
    before = disagreement(turned)
    before.backward()
    assert before > 0.05
    assert turned.grad is not None
    assert disagreement(turned - turned.grad / turned.grad.norm()) < before


def test_flatness_is_the_shortest_axis_in_shares_of_the_scene():
    scales = torch.tensor([[1.0, 2, 3], [4, 3, 5]])
    assert float(flatness(scales, 10.0)) == pytest.approx(0.2)


def test_only_needles_are_punished():
    scales = torch.tensor([[1.0, 2, 9], [1, 1, 30]])
    assert float(needle_penalty(scales, 10.0)) == pytest.approx(10.0)  # mean of 10 and 30, less 10
    assert float(needle_penalty(scales[:1], 10.0)) == 0.0
