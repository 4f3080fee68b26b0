"""The same training in other ways, which must all give the same bits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from buffers import Buffers

import fastnet
from _soak.drawing import Drawn
from _soak.guards import guard_pack
from _soak.record import Record, Wrong
from _soak.samples import inputs_of
from _soak.truth import TOLERANCE, compare, parameters_of
from fastnet import reference
from fastnet.kernels import layout, panels, step
from fastnet.kernels.sparsity import non_zero_lists
from fastnet.network.assembly import Assembly
from fastnet.network.samples import TrainingData, pad_samples
from fastnet.training.pack import Kept, Member, PackRun
from fastnet.training.single import Training


class Ended(NamedTuple):
    """What is left of a network: everything that must be the same."""

    status: int
    epochs: int
    curves: bytes
    parameters: bytes


def ended(run: PackRun, t: int) -> Ended:
    """Return what is left of a network of a pack."""
    status = int(run.status[t])
    flat = run.parameters(t) if status == step.DONE else np.zeros(0, np.float32)
    values = b"".join(a.tobytes() for a in parameters_of(run._layout(t).table, flat)) if flat.size else b""
    return Ended(status, int(run.epochs_done[t]), np.ascontiguousarray(run.curves[t]).tobytes(), values)


Assemblies = dict[tuple[object, ...], Assembly]


def trained(
    members: Sequence[Member], jobs: int = 1, ends: Sequence[int] = (), buffers: Buffers | None = None,
    assemblies: Assemblies | None = None,
) -> PackRun:  # fmt: skip
    """Train a pack to its end, with pauses after the epochs `ends`."""
    run = PackRun(members, jobs, assemblies, keep=True)
    if buffers is not None:
        guard_pack(buffers, run)
    left = np.arange(len(members))
    for end in (*ends, members[0].config.epochs):
        run.start(left, end)
        run.join()
        left = np.flatnonzero(run.status == step.PAUSED)
        if not len(left):
            break
    return run


def neighbours(drawn: Drawn, data: TrainingData) -> list[Member]:
    """Return a configuration and two others of its pack: the same with another stream, and one of another shape."""
    config, random = drawn.config, drawn.random(20)
    other = replace(
        config, hidden=(int(random.integers(1, 40)),), dropout=float(random.choice([0.0, 0.3])),
        optimizer=str(random.choice(["sgd", "adam", "momentum"])), learning_rate=0.01, warmup_epochs=0.0,
    )  # fmt: skip
    streams = (drawn.stream, (drawn.stream + 1) % 2**32, 7)
    return [Member(data, each, stream) for each, stream in zip((config, config, other), streams, strict=True)]


class Pack(NamedTuple):
    """A pack that was trained: its networks, how they ended, and what was compiled for them."""

    members: list[Member]
    expected: list[Ended]
    assemblies: Assemblies

    def again(self, members: Sequence[Member], jobs: int = 1, ends: Sequence[int] = ()) -> list[Ended]:
        """Train some of the networks once more."""
        run = trained(members, jobs, ends, assemblies=self.assemblies)
        return [ended(run, t) for t in range(len(members))]


Variant = Callable[[Drawn, Pack], None]


def _same(what: str, found: Sequence[Ended], expected: Sequence[Ended]) -> None:
    for place, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if ours != theirs:
            differ = [name for name in Ended._fields if getattr(ours, name) != getattr(theirs, name)]
            raise Wrong(f"{what}: network {place} differs in {', '.join(differ)}")


def _threads(drawn: Drawn, pack: Pack) -> None:
    _same("on more threads", pack.again(pack.members, jobs=2 + drawn.number % 2), pack.expected)


def _order(drawn: Drawn, pack: Pack) -> None:
    order = drawn.random(21).permutation(len(pack.members))
    found = pack.again([pack.members[t] for t in order], jobs=1 + drawn.number % 2)
    _same("in another order", found, [pack.expected[t] for t in order])


def _alone(drawn: Drawn, pack: Pack) -> None:
    _same("alone", [pack.again([member])[0] for member in pack.members], pack.expected)


def _parts(drawn: Drawn, pack: Pack) -> None:
    epochs = drawn.config.epochs
    ends = sorted({int(end) for end in drawn.random(22).integers(1, epochs + 1, 2)} - {epochs})
    _same("in parts", pack.again(pack.members, 1 + drawn.number % 2, ends), pack.expected)


def _single(drawn: Drawn, pack: Pack) -> None:
    as_one_network(pack.members[0], pack.expected[0], 1 + drawn.number % 3)


def as_one_network(member: Member, expected: Ended, threads: int) -> int:
    """Train a network of its own and compare it with that of a pack; return how many threads shared its products."""
    training = Training(member.config, member.data, threads, member.stream)
    training.start()
    training.join()
    with np.errstate(over="ignore"):
        curves = training.curves[0].astype(np.float32)
    done = training.status[0] == step.DONE
    parts = parameters_of(training.assembly.layout.table, training.parameters()) if done else []
    found = Ended(int(training.status[0]), training.epochs_done, b"", b"".join(a.tobytes() for a in parts))
    _same(f"as one network on {threads} threads", [found], [expected._replace(curves=b"")])
    if not np.array_equal(curves, np.frombuffer(expected.curves, np.float32).reshape(4, -1), equal_nan=True):
        raise Wrong(f"as one network on {threads} threads: the curves differ")
    return training.threads


def _written_out(drawn: Drawn, pack: Pack) -> None:
    """Train on the same inputs without lists of zeros; weights that are not finite may differ then."""
    data = pack.members[0].data
    if not (data.sparse or data.csr) or any(each.status != step.DONE for each in pack.expected):
        return
    none = np.zeros((0, data.n_inputs), np.float32)
    other = replace(
        data, x=pad_samples(data.dataset.x, data.pipeline) if data.csr is None else _aligned(inputs_of(data)),
        csr=None, sparse=False, inputs=non_zero_lists(none, 1), pairs=non_zero_lists(none, panels.PAIR),
    )  # fmt: skip
    found = pack.again([replace(member, data=other) for member in pack.members])
    _same("with every zero", found, pack.expected)


def _aligned(x: np.ndarray) -> np.ndarray:
    aligned: np.ndarray = layout.aligned((len(x), layout.leading(x.shape[1])))
    aligned[:, : x.shape[1]] = x
    return aligned


def _carried(drawn: Drawn, pack: Pack) -> None:
    """Stop after some epochs, keep what a network needs, and go on in a pack of its own."""
    if drawn.config.epochs < 2:
        return
    first = PackRun(pack.members, 1, pack.assemblies, keep=True)
    end = 1 + drawn.number % (drawn.config.epochs - 1)
    first.start(np.arange(len(pack.members)), end)
    first.join()
    for t in np.flatnonzero(first.status == step.PAUSED).tolist():
        kept = first.kept_of(t)
        second = PackRun([pack.members[t]], 1, pack.assemblies, keep=True)
        second.carry_on([Kept(kept.parameters, kept.state)], end)
        second.start()
        second.join()
        found = ended(second, 0)
        _same("carried on", [found._replace(curves=b"")], [pack.expected[t]._replace(curves=b"")])


_ZEROS = "zeros written out"

VARIANTS: dict[str, Variant] = {
    "threads": _threads, "order": _order, "alone": _alone, "parts": _parts, "one network": _single,
    _ZEROS: _written_out, "carried on": _carried,
}  # fmt: skip
"""Ways of training that must give the same bits."""


def check_variants(record: Record, drawn: Drawn, pack: Pack, most: int) -> None:
    """Try some of the ways, drawn by the configuration."""
    names = [*VARIANTS] if drawn.form in ("zeros", "sparse") else [name for name in VARIANTS if name != _ZEROS]
    for name in drawn.random(23).permutation(names)[:most]:
        VARIANTS[str(name)](drawn, pack)
        record.passed(f"same bits: {name}")


def check_model(record: Record, drawn: Drawn, run: PackRun, data: TrainingData) -> None:
    """Compare the answers of the model with the reference, a file of it, and the exported program."""
    model = run.model(0)
    x = data.dataset.x
    answers = model.answers(x)
    parameters = [a.astype(np.float64) for a in (*model.weights, *model.biases)]
    half = len(parameters) // 2
    with np.errstate(all="ignore"):
        outputs = reference.network.forward(
            parameters[:half], parameters[half:], inputs_of(data).astype(np.float64), list(model.eval_scales), None,
            drawn.config.activation, model.spec.heads,
        )[-1]  # fmt: skip
        outputs = reference.heads.mean(outputs, model.spec.heads)
        expected = _answers(data, outputs)
    if not (np.isfinite(expected).all() and np.isfinite(outputs.astype(np.float32)).all()):
        record.note("models whose answers are beyond float32")
        return
    size = max(1.0, float(np.abs(outputs).max()))
    compare(record, "answers", [np.asarray(answers)], [expected], lambda: iter(()), TOLERANCE * size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        again = fastnet.load_model(path)
        if again.answers(x).tobytes() != answers.tobytes():
            raise Wrong("the model that was saved and loaded answers otherwise")
        record.passed("saved and loaded: same bits")
        if drawn.form != "table":
            _check_exports(record, drawn, again, x, answers, size, Path(folder))


def _check_exports(
    record: Record, drawn: Drawn, model: Any, x: Any, answers: np.ndarray, size: float, folder: Path
) -> None:
    from exports import CLOSE, program_of

    if not isinstance(x, np.ndarray):
        x = x.toarray()
    program = program_of(model, folder)
    found = program.predict_proba(x) if model.task != "regression" else program.predict(x)
    ours = model.predict_proba(x) if model.task != "regression" else model.predict(x)
    spread = max(1.0, float(np.abs(ours).max()))
    off = float(np.abs(np.asarray(found, np.float64) - ours).max())
    if not off <= 2 * CLOSE * size * spread:
        raise Wrong(f"the exported program answers otherwise, by {off:g}")
    record.within("exported program (absolute)", off / spread)
    record.passed("exported program")


def _answers(data: TrainingData, outputs: np.ndarray) -> np.ndarray:
    """Turn outputs into answers, in float64."""
    objective = data.objective
    if objective == "cross-entropy":
        return reference.objective.softmax(outputs)
    if objective == "binary-cross-entropy":
        return reference.objective.sigmoid(outputs)
    if objective == "poisson":
        outputs = np.exp(outputs)
    if objective == "pinball":
        shape = len(outputs), -1, len(data.quantiles)
        outputs = np.sort(outputs.reshape(shape), axis=2).reshape(len(outputs), -1)
    assert data.target_scaler is not None
    return data.target_scaler.invert(outputs)
