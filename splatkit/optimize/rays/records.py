"""What the toolkit asks about the methods that train on rays, whose number does not depend on the photographs."""

from splatkit.optimize.method_record import Method, TrainingCost

_STEPS = 3000
_COST = TrainingCost(step_s=0.15, base_mb=1300)

SIMPLEX_NERF = Method(
    name="simplex-nerf",
    specification="rays.simplex_nerf_config:simplex_nerf_method",
    loader="load_field:load_field_run",
    gives="density",
    steps=_STEPS,
    cost=_COST,
)

SIMPLEX_SDF = Method(
    name="simplex-sdf",
    specification="rays.simplex_sdf_config:simplex_sdf_method",
    loader="load_field:load_field_run",
    gives="distance",
    steps=_STEPS,
    cost=_COST,
)
