"""The compiled part: the only folder that imports Numba. docs/kernels.md holds the contract of each kernel.

Words used everywhere here
--------------------------
lanes    float32 values in one vector register
tile     block of a result that stays in registers while its sums run
panel    column strip of a result, one tile wide
pack     networks of one architecture that are trained side by side
listed   walking lists of what is not zero instead of everything
stream   number of a network, which chooses its random numbers
rows     sample numbers; `n_rows` how many of them a batch or block has

Arrays that are read come first, then scalars, then what is written. Outputs are overwritten whole, never added to.
Everything is C-contiguous float32 with int64 sizes; nothing here allocates inside a step, raises, or prints.
"""

from fastnet.kernels._numba import check_settings

check_settings()
