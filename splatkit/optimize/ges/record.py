"""What the toolkit asks about the method `ges`."""

from splatkit.optimize.method_record import Method, TrainingCost

GES = Method(
    name="ges",
    specification="ges.method:ges_method",
    loader="load_ges:load_ges_run",
    gives="splats",
    steps=7000,
    cost=TrainingCost(
        step_s=0.02,
        base_mb=1000,
        step_s_per_megapixel=0.25,
        step_s_per_splat=0.6e-6,
        mb_per_splat=0.003,
        splats=100_000,
        splats_option="pipeline.model.densification.max-splats",
    ),
    seed_options=("pipeline.model.seed",),
)
