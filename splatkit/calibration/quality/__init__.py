"""How far a calibration can be trusted: jackknife, observability, held-out frames, refusals, advice, simulation."""
