"""Plain NumPy versions of every kernel, written to be obviously right and never optimised.

`rng` draws the random numbers, bit for bit those of the kernels; `activation`, `objective` and `network` hold the
mathematics of one network, `columns` its first layer for a table, `heads` what several heads add, `rules` the update
rules, `schedule` the learning rate over time, and `training` a whole training run. Everything works in float32 and in
float64, so that finite differences can check it. The package imports NumPy only, and of the library only the self-test
of `fastnet doctor` imports it.
"""

from fastnet.reference import activation, columns, heads, network, objective, rng, rules, schedule, training

__all__ = ["activation", "columns", "heads", "network", "objective", "rng", "rules", "schedule", "training"]
