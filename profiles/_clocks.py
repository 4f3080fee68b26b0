"""Trials as a search runs them, and the same with a clock round every kernel that the stages of training call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

FORWARD, EVALUATION, STEPS = "forward", "evaluation", "steps"
PRODUCTS = ("affine_forward", "weight_update", "weight_update_listed")
PHASES = {
    "affine_forward": FORWARD,
    "_list_outputs": "lists of active outputs",
    "formula": "loss",
    "input_gradient": "input gradient",
    "transpose": "transposes",
    "weight_update": "update",
    "weight_update_listed": "update",
    "bias_update": "update, biases",
    "_order_epoch": "random numbers, order of an epoch",
    "keep_bits": "random numbers, dropout bits",
}
"""Kernels that a stage calls, and what they are counted as."""
FIRST_UPDATE = {"invoke": "update, first layer"}
"""How the backward stage calls the first layer of encoded columns; the forward stage calls it by the same name."""


class Stages:
    """The stages of training with a clock round every kernel; `nanoseconds` collects what each phase took.

    Parameters
    ----------
    objectives : iterable of str
        Objectives that are trained.
    """

    def __init__(self, objectives: Any = ("cross-entropy",)) -> None:
        from fastnet.kernels import objective, step

        self.phases: list[str] = []
        self.nanoseconds = np.zeros(40, np.int64)
        first = {"invoke": f"{FORWARD}, first layer"}
        evaluated = {"invoke": f"{EVALUATION}, first layer"}
        self._compiled = [
            self._compile(step.FORWARD, FORWARD, PHASES | first),
            self._compile(step.BACKWARD, FORWARD, PHASES | FIRST_UPDATE),
            self._compile(step.TRAIN_EPOCH, FORWARD, PHASES),
            # Evaluation calls a forward stage of its own, which lies behind the others.
            self._compile(step.EVALUATE, EVALUATION, PHASES, FORWARD=np.int64(step.N_STAGES)),
            self._compile(step.FORWARD, EVALUATION, PHASES | evaluated),
        ]
        self.addresses = np.array([function.address for function in self._compiled], np.int64)
        self.objectives = {}
        for name in objectives:
            source = _with_formula(objective, name)
            loss = self._clocked_source(objective.SIGNATURE, source, FORWARD, PHASES)
            self._compiled.append(loss)
            self.objectives[name] = loss.address
        self.n_phases = len(self.phases)
        steps = self._timed_epoch()
        self._compiled.append(steps)
        self.epoch = steps.address

    def took(self) -> np.ndarray:
        """Seconds of every phase, in their order."""
        return self.nanoseconds[: self.n_phases] / 1e9

    def steps(self) -> float:
        """Seconds of the epochs of training, without evaluation, of a trial that has no other clock."""
        return float(self.nanoseconds[self.phases.index(STEPS)]) / 1e9

    def _compile(self, which: int, role: str, phases: dict[str, str], **constants: Any) -> Any:
        from fastnet.kernels import step

        return self._clocked_source(*step._SOURCES[which], role, phases, **constants)

    def _clocked_source(self, signature: Any, source: Any, role: str, phases: dict[str, str], **constants: Any) -> Any:
        import numba

        from fastnet.kernels import _jit

        kernels = {name: source.__globals__[name] for name in source.__code__.co_names if name in phases}
        clocked = {name: self._clocked(kernel, name, role, phases[name]) for name, kernel in kernels.items()}
        return numba.cfunc(signature, nogil=True, error_model="numpy")(_jit.with_names(source, clocked | constants))

    def _clocked(self, kernel: Any, name: str, role: str, phase: str) -> Any:
        """Wrap a kernel; the products of the first layer, whose weights come first, have a phase of their own."""
        import numba

        from fastnet.kernels.layout import W
        from fastnet.kernels.memory import clock

        add = _adder()
        phase = role if name == "affine_forward" else phase
        if role == EVALUATION and not phase.startswith(EVALUATION):
            phase = f"{EVALUATION}, {phase}"
        if name not in PRODUCTS:
            place = self._place(phase)

            @numba.njit(nogil=True, error_model="numpy")
            def clocked(*args):  # type: ignore[no-untyped-def]
                began = clock()
                result = kernel(*args)
                add(place, clock() - began)
                return result

            return clocked

        first, others = self._place(f"{phase}, first layer"), self._place(f"{phase}, other layers")

        @numba.njit(nogil=True, error_model="numpy")
        def clocked_product(*args):  # type: ignore[no-untyped-def]
            place = first if args[0].row[W] == 0 else others
            began = clock()
            kernel(*args)
            add(place, clock() - began)

        return clocked_product

    def _timed_epoch(self) -> Any:
        """Compile a stage that calls the one that trains an epoch, with a clock round it."""
        import numba

        from fastnet.kernels import step
        from fastnet.kernels.memory import clock, invoke_i64

        add, place, address = _adder(), self._place(STEPS), np.int64(step.stage(step.TRAIN_EPOCH))

        @numba.cfunc(step._SOURCES[step.TRAIN_EPOCH][0], nogil=True, error_model="numpy")
        def timed(c, epoch, stop):  # type: ignore[no-untyped-def]
            began = clock()
            status = invoke_i64(address, c, epoch, stop)
            add(place, clock() - began)
            return status

        return timed

    def _place(self, phase: str) -> int:
        """Address of the nanoseconds of a phase."""
        if phase not in self.phases:
            self.phases.append(phase)
        return int(self.nanoseconds.ctypes.data) + 8 * self.phases.index(phase)


def _with_formula(objective: Any, name: str) -> Any:
    """Return the source of an objective's stage."""
    from fastnet.kernels import _jit

    return _jit.with_names(objective._apply, {"formula": objective.OBJECTIVES[name].formula})


def _adder() -> Any:
    import numba

    from fastnet.kernels.memory import load_i64, store_i64

    @numba.njit(nogil=True, error_model="numpy")
    def add(place: int, seconds: float) -> None:
        store_i64(place, load_i64(place) + np.int64(1e9 * seconds))

    return add


class Trial:
    """One trial as a search runs it, again and again.

    Parameters
    ----------
    config, data
        Of the training.
    stages : Stages
        With a clock round the epochs of training, from here.
    skip_zeros : bool
        Whether hidden layers list their active inputs.
    clocked : bool
        Whether there is a clock round every kernel.
    """

    def __init__(self, config: Any, data: Any, stages: Stages, *, skip_zeros: bool = True, clocked: bool) -> None:
        from fastnet.kernels import step
        from fastnet.network.assembly import assemble
        from fastnet.training.pack import PackRun, alike

        [member] = members = alike(data, config, [0])
        assembly = assemble(config, data, parallel=False)
        net = assembly.net
        net = net._replace(hidden_lists=net.hidden_lists if skip_zeros else 0)
        if clocked:
            net = net._replace(stages=stages.addresses, objective=stages.objectives[data.objective])
        else:
            own = net.stages.copy()
            own[step.TRAIN_EPOCH] = stages.epoch
            net = net._replace(stages=own)
        self.pack = PackRun(members, jobs=1, assemblies={member.kind: replace(assembly, net=net)})

    def run(self) -> float:
        """Train from first to last; return the seconds, taken inside compiled code."""
        self.pack.epochs_done[:], self.pack.seconds[:] = 0, 0.0
        self.pack.start()
        self.pack.join()
        return float(self.pack.seconds[0])

    @property
    def curves(self) -> np.ndarray:
        """The learning curves as the kernels measure them, (4, epochs)."""
        return np.asarray(self.pack._curves[0])

    def initialise(self, n: int) -> None:
        """Draw the initial weights `n` times."""
        from fastnet.network.assembly import initialise

        for _ in range(n):
            initialise(self.pack._contexts[0, 0])
