"""Change the sources in small ways, one at a time, and see whether their own tests notice.

    python scripts/mutants.py --sample 40
    python scripts/mutants.py fastnet/tuning/rules/pruning.py --sample 1000 --json build/mutants.json

Cosmic Ray makes the changes (python3 -m pip install cosmic-ray): another operator, a number off by one, ``True`` for
``False``, a loop that never runs. The tests of ``fastnet/a/b.py`` are those of ``tests/test_a_b.py``; a change after
which they still pass survives, and is listed with its lines. ``docs/reliability.md`` says why each of them may. The
work is done in a copy of the checkout. A kernel is compiled again for each change, so it takes half a minute instead of
two seconds.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environments import LEFT_OUT, ROOT

MODULES = (
    *(f"fastnet/tuning/rules/{name}.py" for name in ("advice", "chance", "choice", "narrowing", "pruning")),
    *(f"fastnet/kernels/{name}.py" for name in ("bias", "cross_entropy", "dropout", "rng", "schedule", "update")),
)
"""Those whose arithmetic decides what a study finds, and a sample of the kernels."""

MOST_SECONDS = 300.0
"""For one run of the tests; a loop that a change has made endless is killed then, and counts as noticed."""


@dataclass(frozen=True)
class Survivor:
    """A change that no test has noticed."""

    module: str
    line: int
    operator: str
    diff: str


def test_file(module: str) -> str:
    """Return the file with the tests of a module."""
    return "tests/test_" + "_".join(Path(module).with_suffix("").parts[1:]) + ".py"


def annotated(source: str) -> set[int]:
    """Return the lines and columns, as ``line * 1000 + column``, that lie in annotations, where nothing is computed."""
    places = set()
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            found = getattr(node, name, None)
            if found is not None and found.end_lineno == found.lineno:
                places |= {found.lineno * 1000 + column for column in range(found.col_offset, found.end_col_offset)}
    return places


def environment(copy: Path) -> dict[str, str]:
    """Return the variables with which Python imports the sources of a copy, and keeps nothing compiled of them."""
    kept = {name: value for name, value in os.environ.items() if name not in ("FASTNET_CACHE", "VIRTUAL_ENV")}
    path = os.pathsep.join([str(copy), str(copy / "build" / "path")])
    return kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def choose(session: Path, source: str, count: int, seed: int) -> int:
    """Leave as many changes to be tried as asked for, drawn at random; return how many there are in all."""
    from cosmic_ray.work_db import use_db
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    skipped = annotated(source)
    with use_db(str(session)) as work:
        items = sorted(work.pending_work_items, key=lambda item: str(item.mutations))
        where = [item.mutations[0].start_pos for item in items]
        computed = [
            item for item, (line, column) in zip(items, where, strict=True) if line * 1000 + column not in skipped
        ]
        chosen = {item.job_id for item in random.Random(seed).sample(computed, min(count, len(computed)))}
        left_out = [item.job_id for item in items if item.job_id not in chosen]
        if left_out:
            work.set_multiple_results(left_out, WorkResult(WorkerOutcome.SKIPPED))
    return len(computed)


def try_module(copy: Path, module: str, count: int, seed: int) -> tuple[dict[str, Any], list[Survivor]]:
    """Return how many changes of a module there are, were tried and were noticed, and those that were not."""
    from cosmic_ray.work_db import use_db
    from cosmic_ray.work_item import TestOutcome, WorkerOutcome

    config, session = copy / "build" / "mutants.toml", copy / "build" / f"{Path(module).stem}.sqlite"
    command = f"{sys.executable} -m pytest -x -q -n 0 -p no:cacheprovider {test_file(module)}"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = {MOST_SECONDS}\nexcluded-modules = []\n'
        f'test-command = "{command}"\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    ray = [sys.executable, "-m", "cosmic_ray.cli"]
    subprocess.run(command.split(), cwd=copy, env=environment(copy), check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*ray, "init", str(config), str(session)], cwd=copy, env=environment(copy), check=True)
    there = choose(session, (copy / module).read_text(encoding="utf-8"), count, seed)
    subprocess.run([*ray, "exec", str(config), str(session)], cwd=copy, env=environment(copy), check=True)
    with use_db(str(session)) as work:
        done = [pair for pair in work.completed_work_items if pair[1].worker_outcome is not WorkerOutcome.SKIPPED]
    outcomes = Counter(result.test_outcome.value for _, result in done)
    survivors = [
        Survivor(module, item.mutations[0].start_pos[0], item.mutations[0].operator_name, result.diff or "")
        for item, result in done
        if result.test_outcome is TestOutcome.SURVIVED
    ]
    return {"there": there, "tried": len(done), "survived": outcomes.get("survived", 0)}, survivors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "modules", nargs="*", default=MODULES, help="files of the library; a sample of them if left out"
    )
    parser.add_argument("--sample", type=int, default=40, help="changes to try in each module, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument("--json", type=Path, help="file for the counts and the survivors")
    options = parser.parse_args(arguments)
    try:
        import cosmic_ray  # noqa: F401
    except ImportError:
        parser.error("Cosmic Ray makes the changes: python3 -m pip install cosmic-ray")
    counts, survivors = {}, []
    with tempfile.TemporaryDirectory(prefix="fastnet-mutants-") as folder:
        copy = Path(folder, "checkout")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (copy / "build" / "path").mkdir(parents=True)
        (copy / "build" / "path" / "fastnet_cli").symlink_to(copy / "cli")
        for module in options.modules:
            counts[module], found = try_module(copy, module, options.sample, options.seed)
            survivors += found
            print(module, counts[module], flush=True)
            for survivor in found:
                print(survivor.diff, flush=True)
            if options.json:
                listed = {"counts": counts, "survivors": [asdict(survivor) for survivor in survivors]}
                options.json.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    tried = sum(count["tried"] for count in counts.values())
    print(f"{tried} changes tried, {len(survivors)} survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
