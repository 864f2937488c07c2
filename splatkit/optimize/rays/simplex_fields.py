"""Fields of `simplex-nerf`: the host's, with less work a sample.

What depends on a ray alone is computed once a ray, positions carry gradients only where normals are asked for, and
tensors keep one row a feature, as the native encoding and networks read and write them.
"""

import torch
from nerfstudio.cameras.rays import RaySamples
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.field_components.activations import trunc_exp
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.fields.density_fields import HashMLPDensityField
from nerfstudio.fields.nerfacto_field import NerfactoField
from torch import Tensor
from torch.nn import functional

from splatkit.geometry.spherical_harmonics import sh_basis

_SH_DEGREE = 3


def contract_to_unit_cube(positions: Tensor) -> Tensor:
    """All of space in the unit cube: the box [-1, 1]^3 is its middle half (Mip-NeRF 360, arXiv 2111.12077, eq. 10).

    The norm is the largest coordinate, as in the host's SceneContraction of infinite order.

    Args:
        positions: [..., 3] scene units.

    Returns:
        [..., 3] in [0, 1].
    """
    x, y, z = positions.abs().unbind(-1)
    norm = torch.maximum(torch.maximum(x, y), z).clamp_min(1)
    inverse = 1 / norm
    return positions * ((2 - inverse) * inverse / 4)[..., None] + 0.5


def _place(field: NerfactoField | HashMLPDensityField, positions: Tensor) -> tuple[Tensor, Tensor | None]:
    """Positions in the unit cube of a field, and where its box ends: 1 inside, 0 outside, none without an end."""
    if field.spatial_distortion is not None:
        return contract_to_unit_cube(positions), None
    placed = SceneBox.get_normalized_positions(positions, field.aabb)
    return placed, ((placed > 0) & (placed < 1)).all(-1, keepdim=True)


def _density(field: NerfactoField | HashMLPDensityField, raw: Tensor, inside: Tensor | None) -> Tensor:
    density = field.average_init_density * trunc_exp(raw)
    return density if inside is None else density * inside


class SimplexNerfField(NerfactoField):
    """Density and color; see the module."""

    def get_density(self, ray_samples: RaySamples) -> tuple[Tensor, Tensor]:
        """[..., 1] density and [..., geo_feat_dim] features of samples."""
        positions, inside = _place(self, ray_samples.frustums.get_positions())
        if self.use_pred_normals and not positions.requires_grad:
            positions.requires_grad = True
        shape = positions.shape[:-1]
        rows = self.mlp_base(positions.reshape(-1, 3)).t()
        raw, features = rows.split([1, self.geo_feat_dim])
        raw = raw.reshape(*shape, 1)
        self._sample_locations, self._density_before_activation = positions, raw  # what get_normals reads
        return _density(self, raw, inside), features.t().reshape(*shape, self.geo_feat_dim)

    def get_outputs(
        self, ray_samples: RaySamples, density_embedding: Tensor | None = None
    ) -> dict[FieldHeadNames, Tensor]:
        """Colors of samples from their features and what is known of their rays."""
        if self.use_pred_normals:
            return super().get_outputs(ray_samples, density_embedding)
        assert density_embedding is not None
        shape = ray_samples.frustums.shape
        samples = shape[-1]
        directions = functional.normalize(ray_samples.frustums.directions[..., 0, :], dim=-1)
        rows = [
            _of_rays(sh_basis(directions, _SH_DEGREE), samples),
            density_embedding.reshape(-1, self.geo_feat_dim).t(),
        ]
        if self.embedding_appearance is not None:
            rows.append(_of_rays(self._appearance(ray_samples.camera_indices[..., 0, 0]), samples))
        return {FieldHeadNames.RGB: self.mlp_head(torch.cat(rows).t()).reshape(*shape, 3)}

    def _appearance(self, photographs: Tensor) -> Tensor:
        """[..., k] of rays; in evaluation the mean of all photographs, or zeros."""
        if self.training:
            return self.embedding_appearance(photographs)
        mean = self.embedding_appearance.mean(dim=0)
        return (mean if self.use_average_appearance_embedding else torch.zeros_like(mean)).expand(
            *photographs.shape, -1
        )


def _of_rays(values: Tensor, samples: int) -> Tensor:
    """[k, rays * samples] from [..., k] of rays: the samples of a ray share its values."""
    rays = values.reshape(-1, 1, values.shape[-1])
    return rays.expand(-1, samples, -1).permute(2, 0, 1).reshape(values.shape[-1], -1)


class SimplexDensityField(HashMLPDensityField):
    """Density alone, for proposals; see the module."""

    def density_fn(self, positions: Tensor, times: Tensor | None = None) -> Tensor:
        """[..., 1] density at positions [..., 3]."""
        placed, inside = _place(self, positions)
        network = self.linear if self.use_linear else self.mlp_base[1]
        raw = network(self.encoding(placed.reshape(-1, 3)))
        return _density(self, raw.reshape(*positions.shape[:-1], 1), inside)

    def get_density(self, ray_samples: RaySamples) -> tuple[Tensor, None]:
        """[..., 1] density of samples."""
        return self.density_fn(ray_samples.frustums.get_positions()), None
