"""A whole search in a fresh process, as a person's script would be: `python -m _peers.whole HOME DATA TRIALS`."""

from __future__ import annotations

import sys

from .process import build


def main(home: str, data: str, n_trials: int) -> None:
    """Train all trials and print the best."""
    import numpy as np

    from .task import Samples

    rng = np.random.default_rng(0)
    rates, decays = 10 ** rng.uniform(-6, -2, n_trials), 10 ** rng.uniform(-8, -4, n_trials)
    peer = build(home, 1)
    peer.prepare_trials(Samples.read(data))
    curves = peer.trials(rates, decays, 0)
    best = int(np.nanargmax(curves[:, 3, -1]))
    print(f"best: {curves[best, 3, -1]:.2f} at learning rate {rates[best]:.3g}, weight decay {decays[best]:.3g}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
