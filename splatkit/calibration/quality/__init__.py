"""How far to trust a calibration: what to estimate, jackknife, observability, unseen frames, refusals, advice."""
