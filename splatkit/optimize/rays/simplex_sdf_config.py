"""The nerfstudio method `simplex-sdf` and its settings."""

from splatkit.optimize.rays.method import NERFACTO_RATE, ray_method
from splatkit.optimize.rays.records import SIMPLEX_SDF
from splatkit.optimize.rays.simplex_sdf_model import SimplexSdfModelConfig

simplex_sdf_method = ray_method(
    SIMPLEX_SDF,
    SimplexSdfModelConfig(
        num_proposal_samples_per_ray=(64, 32),
        num_neus_samples_per_ray=24,
        eval_num_rays_per_chunk=1 << 10,
    ),
    rates=dict.fromkeys(("proposal_networks", "fields", "field_background"), NERFACTO_RATE),
    description="A signed distance field on a simplex-hash encoding, with exact eikonal gradients, also on a CPU.",
)
