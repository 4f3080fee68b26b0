"""The compiled part: the only folder that imports Numba. docs/kernels.md describes the contract of each kernel.

Terms
-----
lanes    float32 values in one vector register
tile     block of a result that stays in registers during its sums
panel    column strip of a result, one tile wide
pack     networks that are trained side by side
listed   walking lists of non-zero values instead of everything
stream   number of a network, which determines its random numbers
rows     sample numbers; `n_rows` is their number in a batch or block

Arrays that are read come first, then scalars, then what is written. Outputs are overwritten completely, never added to.
Everything is C-contiguous float32 with int64 sizes; nothing here allocates inside a step, raises, or prints.
"""

from fastnet.kernels._numba import check_settings

check_settings()
