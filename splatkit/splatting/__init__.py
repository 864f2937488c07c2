"""Generalized exponential splatting: the kernel's parameters, the splats, their rendering, densification and losses."""
