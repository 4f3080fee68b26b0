"""The machine that fastnet runs on: the cache of compiled kernels, what fills it, what checks it."""
