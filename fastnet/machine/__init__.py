"""The machine that fastnet runs on: the cache of compiled kernels, warm-up, self-test and doctor."""
