"""Run the property tests on random examples, many more than the suite draws, and each time others.

    python tests/campaign.py --examples 10000
    python tests/campaign.py --examples 1000 --seed 7 tests/test_data_readers_npz.py

The suite draws the same examples in each run, so that it gives the same verdict twice. This looks for what they leave
out. A failure is printed with the smallest example that Hypothesis finds; it becomes an ``@example`` of its test. The
seed at the head finds it again. Arguments after the options go to pytest: files, or ``-k`` and a name.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from properties import EXAMPLES

TESTS = Path(__file__).resolve().parent


def command_of(seed: int, arguments: Sequence[str]) -> list[str]:
    """Return how pytest is started: the property tests alone, from the first to the last, whatever fails."""
    pytest = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "--rootdir",
        str(TESTS.parent),
        "-c",
        str(TESTS.parent / "pyproject.toml"),
    ]
    options = ["-m", "hypothesis", "--timeout", "0", "-p", "no:cacheprovider", "--hypothesis-seed", str(seed), "-q"]
    return [*pytest, *options, *(arguments or [str(TESTS)])]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--examples", type=int, default=1000, help="examples of each property")
    parser.add_argument("--seed", type=int, help="seed of the examples; another one each time if left out")
    options, arguments = parser.parse_known_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"{options.examples} examples of each property, --seed {seed}", flush=True)  # noqa: T201
    return subprocess.call(command_of(seed, arguments), env=os.environ | {EXAMPLES: str(options.examples)})


if __name__ == "__main__":
    sys.exit(main())
