"""One configuration after the other: what is checked of each, and what processes with other settings answer."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from _soak.bits import Assemblies, Pack, as_one_network, check_model, check_variants, ended, neighbours, trained
from _soak.bounds import watched
from _soak.drawing import Drawn, draw
from _soak.edges import check_edge
from _soak.guards import guard_data, guarded
from _soak.hostile import check_poison
from _soak.record import Record, Wrong
from _soak.samples import prepared_of
from _soak.searching import check_search
from _soak.truth import check_gradient, check_scores, check_trajectory
from fastnet.errors import DataError
from fastnet.kernels import step
from fastnet.training.pack import Member

VARIANTS = 2
"""Other ways that each training is tried in."""

SCRIPT = Path(__file__).resolve().parents[1] / "soak.py"

_FEATURES = "avx avx2 fma bmi bmi2 sse sse2 sse3 ssse3 sse4.1 sse4.2 popcnt lzcnt movbe f16c cmov cx16 fsgsbase"

PROCESSORS: dict[str, dict[str, str]] = {
    **{f"{lanes} lanes": {"FASTNET_LANES": str(lanes)} for lanes in (4, 8, 16)},
    "haswell": {
        "FASTNET_LANES": "", "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in _FEATURES.split()),
    },
    "nehalem": {
        "FASTNET_LANES": "", "NUMBA_CPU_NAME": "nehalem",
        "NUMBA_CPU_FEATURES": "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cmov,+cx16",
    },
}  # fmt: skip
"""Processors that another process compiles for."""

BOUNDS = {"NUMBA_BOUNDSCHECK": "1"}


def check(record: Record, drawn: Drawn) -> None:
    """Check one configuration by what applies to it; raise `Wrong`, or whatever the library raises."""
    if drawn.kind == "edge":
        check_edge(record, drawn)
        return
    try:
        checks = {"search": check_search, "poison": check_poison, "shared": check_shared}
        checks.get(drawn.kind, check_training)(record, drawn)
    except DataError as error:
        if drawn.column in ("subnormal", "tiny", "huge") and "\n" not in str(error) and drawn.form == "array":
            record.passed("features refused in one sentence")
            return
        raise


def check_training(record: Record, drawn: Drawn) -> None:
    """Check the training of a configuration and of its neighbours."""
    with guarded(record) as buffers:
        data = guard_data(buffers, prepared_of(drawn))
        assemblies: Assemblies = {}
        members = neighbours(drawn, data)
        run = trained(members, buffers=buffers, assemblies=assemblies)
        pack = Pack(members, [ended(run, t) for t in range(len(members))], assemblies)
        check_variants(record, drawn, pack, VARIANTS)
        if drawn.number % 5 == 0:
            check_gradient(record, drawn, data)
        if drawn.number % 4 == 1 and pack.expected[0].status == step.DONE:
            check_model(record, drawn, run, data)
    for t in range(len(members)):
        if (t == 0 or drawn.number % 8 == 0) and check_trajectory(record, drawn, run, t, data):
            check_scores(record, data, run, t)


def check_shared(record: Record, drawn: Drawn) -> None:
    """Check a large network: in a pack against the reference, then with its products shared by threads."""
    with guarded(record) as buffers:
        data = guard_data(buffers, prepared_of(drawn))
        member = Member(data, drawn.config, drawn.stream)
        run = trained([member], buffers=buffers)
        expected = ended(run, 0)
        for threads in (1, 2, 3):
            shared = as_one_network(member, expected, threads)
            record.passed(f"same bits: products shared by {shared} threads")
    if check_trajectory(record, drawn, run, 0, prepared_of(drawn)):
        check_scores(record, prepared_of(drawn), run, 0)


def campaign(
    record: Record, seed: int, numbers: Iterable[int], kind: str | None = None, until: float = float("inf")
) -> Iterator[int]:
    """Check configurations until `time.monotonic` is beyond `until`; yield the number of each."""
    for number in numbers:
        if time.monotonic() > until:
            return
        drawn = draw(seed, number, kind)
        record.begin(drawn)
        try:
            with watched() as seen:
                check(record, drawn)
            if seen:
                raise Wrong(f"a kernel raised what nobody could catch: {seen[0]}")
        except Exception as error:
            record.failed(drawn, error)
        yield number


def answers(seed: int, numbers: Iterable[int]) -> dict[str, str]:
    """Train the packs of some configurations; return a digest of each, by its number."""
    found = {}
    for number in numbers:
        drawn = draw(seed, number, "training")
        with suppress(DataError):
            run = trained(neighbours(drawn, prepared_of(drawn)))
            digest = hashlib.sha256(repr([ended(run, t) for t in range(3)]).encode())
            if run.status[0] == step.DONE:
                digest.update(run.model(0).answers(prepared_of(drawn).dataset.x).tobytes())
            found[str(number)] = digest.hexdigest()
    return found


def in_another(settings: dict[str, str], *arguments: str, cache: Path | None = None) -> str:
    """Run this script in a process with other settings of the environment; return what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | settings | {"FASTNET_CACHE": str(cache or folder)}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise Wrong(f"{settings}: {done.stderr[-2000:]}")
    return done.stdout


def check_processors(record: Record, seed: int, count: int, cache: Path | None = None) -> None:
    """Compare digests of some configurations with those of processes that compile for other processors."""
    expected = answers(seed, range(count))
    for name, settings in PROCESSORS.items():
        own = None if cache is None else cache / name.replace(" ", "-")
        printed = in_another(settings, "--answers", str(count), "--seed", str(seed), cache=own)
        found = json.loads(printed)
        for number, digest in expected.items():
            if found.get(number) != digest:
                record.failed(draw(seed, int(number), "training"), Wrong(f"{name}: other bits"))
            else:
                record.passed(f"same bits: compiled for {name}")
