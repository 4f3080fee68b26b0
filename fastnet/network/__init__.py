"""Networks made ready for the kernels: samples, layout, memory, hyperparameters."""
