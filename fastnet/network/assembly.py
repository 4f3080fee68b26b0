"""A network laid out and compiled: the contexts that the kernels train in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fastnet.config.training import TrainConfig
from fastnet.kernels import (
    activation,
    affine,
    cross_entropy,
    csr,
    encoded,
    heads,
    host,
    layout,
    objective,
    pack,
    panels,
    step,
    update,
)
from fastnet.kernels.context import FIRST_UPDATE, N_PLACES, Data, Net, Work, fill
from fastnet.network.coding import nothing_coded
from fastnet.network.csr import no_entries
from fastnet.network.memory import Shapes, share, work_shapes
from fastnet.network.samples import TrainingData

Integers = npt.NDArray[np.int64]

BLOCK_ROWS = 120
"""Samples of an evaluation block on one core: two outputs of width 100 (96 kB) stay in the second-level cache."""

PARALLEL_BLOCK_ROWS = 1020
"""Samples of an evaluation block where threads share its rows."""

SHORT = 1e11
"""Operations of a training that takes about a second on one core. Code that lets threads share products takes 5 s to
compile, nearly half of a first search with an empty cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A compiled architecture on given data, from which contexts are made.

    `n_sparse` is the number of features of sparse data, also of those without a single value, and 0 for other data.
    """

    layout: layout.Layout
    net: Net
    data: Data
    n_states: int
    most_values: int
    n_sparse: int

    def contexts(self, n_contexts: int, threads: int = 1) -> tuple[Integers, list[Work]]:
        """Make contexts, each with a workspace for that number of threads; keep the workspaces as long as these."""
        contexts, works = contexts_of([self], n_contexts, threads)
        return contexts[:, 0], [work for [work] in works]

    def shapes(self, threads: int = 1) -> Shapes:
        """Return the arrays that a context of this architecture writes to."""
        return work_shapes(
            self.layout,
            n_states=self.n_states,
            n_rows=len(self.data.train_rows),
            batch_size=self.net.batch_size,
            capacity=self.net.batch_size if self.data.sparse == 1 else 0,
            threads=threads,
            columns=self.data.columns,
            n_numbers=self.data.fractions.shape[1],
            most_values=self.most_values,
            n_sparse=self.n_sparse,
            n_heads=len(self.net.signs),
        )


def contexts_of(assemblies: Sequence[Assembly], n_contexts: int, threads: int = 1) -> tuple[Integers, list[list[Work]]]:
    """Make contexts for several architectures, of which only one is in use at a time.

    Returns an (n_contexts, kinds, N_PLACES) int64 array, and the workspaces in the same order, to be kept as long as
    it. The contexts in one row share their memory; `threads` share the products of one context.
    """
    contexts = np.zeros((n_contexts, len(assemblies), N_PLACES), np.int64)
    shapes = [assembly.shapes(threads) for assembly in assemblies]
    works = [share(shapes) if shapes else [] for _ in range(n_contexts)]
    for row, shared in zip(contexts, works, strict=True):
        for context, assembly, work in zip(row, assemblies, shared, strict=True):
            fill(context, assembly.net, assembly.data, work)
    return contexts, works


def plan_of(config: TrainConfig, data: TrainingData, *, parallel: bool) -> tuple[int, int, layout.Layout]:
    """Lay out the network that `config` describes for `data`; return batch size, evaluation block and layout."""
    batch_size = min(config.batch_size, data.n_train)
    most = max(data.n_train, len(data.validation_rows) - host.TILE_ROWS)
    spec = config.network(data.n_inputs, data.n_outputs)
    at_once = (PARALLEL_BLOCK_ROWS if parallel else BLOCK_ROWS) // spec.heads
    block = host.round_up(max(min(at_once, most), 1), cross_entropy.LOG_ROWS)
    n_rows = spec.heads * max(batch_size, block)
    return batch_size, block, layout.layout(spec.sizes, n_rows, slopes=config.activation != "relu")


def shapes_of(config: TrainConfig, data: TrainingData, *, parallel: bool, threads: int = 1) -> Shapes:
    """Return the arrays that the network of `config` writes to, without compiling anything; see `work_shapes`."""
    batch_size, _, plan = plan_of(config, data, parallel=parallel)
    coded = data.coded or nothing_coded()
    return work_shapes(
        plan,
        n_states=update.N_STATES[update.RULES[config.optimizer]],
        n_rows=len(data.train_rows),
        batch_size=batch_size,
        capacity=batch_size if data.lists_pay(batch_size) else 0,
        threads=threads,
        columns=coded.columns,
        n_numbers=coded.fractions.shape[1],
        most_values=data.most_values(batch_size),
        n_sparse=0 if data.csr is None else data.n_inputs,
        n_heads=config.network(data.n_inputs, data.n_outputs).heads,
    )


def compile_products(
    config: TrainConfig, data: TrainingData, *, parallel: bool, skip_zeros: bool = True
) -> tuple[int, int, layout.Layout]:
    """Compile the microkernels that `assemble` needs; return batch size, evaluation block and layout."""
    batch_size, block, plan = plan_of(config, data, parallel=parallel)
    wanted = layout.panels_of(
        plan.table, listed_inputs=data.lists_pay(batch_size), encoded=data.coded is not None, training=True,
        sparse=data.csr is not None,
        listed_hidden=config.activation == "relu" and not parallel and skip_zeros,
    )  # fmt: skip
    panels.compile_panels(sorted(wanted))
    first_stages(coded=data.coded is not None, sparse=data.csr is not None, parallel=parallel)
    activation.stages(config.activation)
    update.compile_rule(update.RULES[config.optimizer])
    return batch_size, block, plan


def assemble(config: TrainConfig, data: TrainingData, *, parallel: bool, skip_zeros: bool = True) -> Assembly:
    """Lay out the network that `config` describes for `data` and compile what its training needs.

    With `parallel`, threads share each product (one network); otherwise each thread has a network (a pack). Without
    `skip_zeros`, hidden layers do not list their active inputs; the results are the same bits.
    """
    batch_size, block, plan = compile_products(config, data, parallel=parallel, skip_zeros=skip_zeros)
    rule = update.RULES[config.optimizer]
    n_heads = config.network(data.n_inputs, data.n_outputs).heads
    net = Net(
        layers=plan.table,
        offsets=plan.offsets,
        table=panels.TABLE,
        stages=np.array([step.stage(which, parallel) for which in range(step.N_STAGES)], np.int64),
        activation=activation.stages(config.activation),
        objective=objective.stage(data.objective, data.weights is not None, n_heads),
        rule=rule,
        update=int(update.ADDRESS[rule]),
        xavier=int(config.effective_init == "xavier"),
        batch_size=batch_size,
        block=block,
        hidden_lists=int(config.activation == "relu" and not parallel and skip_zeros),
        first=first_stages(coded=data.coded is not None, sparse=data.csr is not None, parallel=parallel),
        waiting=update.waiting(rule) if data.csr is not None else 0,
        least_start=0.0 if data.objective == "cross-entropy" and data.weights is None else 1.0,
        several=heads.stages(n_heads),
        n_outputs=data.n_outputs,
        signs=heads.signs_of(n_heads, config.hidden[0] if config.hidden else 1),
    )
    bundle = _bundle(data, plan.n_rows, batch_size)
    n_sparse = 0 if data.csr is None else data.n_inputs
    return Assembly(plan, net, bundle, update.N_STATES[rule], data.most_values(batch_size), n_sparse)


def first_stages(*, coded: bool, sparse: bool, parallel: bool = False) -> Integers:
    """Compile the stages of a first layer that reads encoded columns or sparse rows; return their addresses."""
    addresses = np.zeros(3, np.int64)
    if coded:
        addresses[: FIRST_UPDATE + 1] = encoded.stages(parallel)
    elif sparse:
        addresses[...] = csr.stages(parallel)
    return addresses


def worth_sharing(config: TrainConfig, data: TrainingData) -> bool:
    """Whether some product of a step is large enough for threads to share it."""
    sizes = config.network(data.n_inputs, data.n_outputs).sizes
    largest = max(n_in * n_out for n_in, n_out in pairwise(sizes))
    return 2 * min(config.batch_size, data.n_train) * largest >= affine.PARALLEL_FLOPS


def worth_compiling(config: TrainConfig, n_parameters: int, n_train: int) -> bool:
    """Whether a training is long enough to repay compiling the code that lets threads share products."""
    return 6.0 * n_parameters * n_train * config.epochs >= SHORT


def _bundle(data: TrainingData, n_rows: int, batch_size: int) -> Data:
    coded, sparse = data.coded or nothing_coded(), data.csr or no_entries()
    return Data(
        x=data.x,
        targets=data.targets.view(np.uint8).reshape(len(data.targets), -1),
        sparse=int(data.lists_pay(batch_size)),
        input_lists=data.inputs[0],
        input_values=data.inputs[1],
        input_starts=data.inputs[2],
        pair_lists=data.pairs[0],
        pair_values=data.pairs[1],
        pair_starts=data.pairs[2],
        dense=coded.n_dense,
        columns=coded.columns,
        places=coded.places,
        fractions=coded.fractions,
        entries=sparse.entries,
        entry_columns=sparse.columns,
        entry_starts=sparse.starts,
        identity=np.arange(n_rows, dtype=np.int64),
        train_rows=data.train_rows,
        validation_rows=data.validation_rows,
        weights=np.zeros(0, np.float32) if data.weights is None else data.weights,
        levels=np.array(data.quantiles, np.float32),
    )


def initialise(context: Integers) -> None:
    """Set the network of one context to the initial values of its trial."""
    pack.initialise(pack.initialise_stage(), context)


def n_threads_limit() -> int:
    """Return the largest number of threads that the compiled code can use."""
    return pack.thread_limit()
