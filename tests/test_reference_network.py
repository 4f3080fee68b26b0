"""The mathematics of one network in the reference: finite differences in float64, examples by hand, and properties."""

import ast
import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import examples

from fastnet import reference
from fastnet.reference.rules import Rule

STEP = 1e-6  # of the finite differences
KINK_MARGIN = 1e-2  # no hidden unit's input is nearer to 0: ten thousand steps, far more than a step can move it
TOLERANCE = 1e-7  # the differences' own error is about eps / STEP = 2e-10 of the loss, the rest is room

few = settings(max_examples=examples(25))


class Case(NamedTuple):
    """One network on one batch, with the masks held fixed."""

    weights: list
    biases: list
    x: np.ndarray
    targets: np.ndarray
    keeps: list | None
    scale: float
    weight_decay: float
    label_smoothing: float = 0.0
    activation: str = "relu"
    objective: str = "cross-entropy"
    heads: int = 1


def make_case(
    sizes, n_rows=4, dropout=0.0, dropout_scaling="inverted", weight_decay=0.3, label_smoothing=0.0, activation="relu",
    objective="cross-entropy", heads=1,
):  # fmt: skip
    """Draw a case; draw again until every hidden unit's input keeps its distance from ReLU's kink."""
    for seed in range(1000):
        generator = np.random.default_rng(seed)
        columns = (*sizes[:-1], heads * sizes[-1])
        weights = [generator.normal(size=shape) for shape in pairwise(columns)]
        biases = [generator.normal(size=n_out) for n_out in columns[1:]]
        x = generator.normal(size=(n_rows, sizes[0]))
        targets = generator.integers(0, sizes[-1], n_rows)
        if objective != "cross-entropy":
            targets = numbers(generator, n_rows, sizes[-1], objective)
        rows = heads * n_rows
        keeps = [reference.rng.keep_mask(seed, 0, layer, 0, rows, n, dropout) for layer, n in enumerate(sizes[1:-1])]
        scale, _ = reference.network.scales(dropout, dropout_scaling)
        kept = keeps if dropout else None
        case = Case(
            weights, biases, x, targets, kept, scale, weight_decay, label_smoothing, activation, objective, heads
        )
        if distance_to_kink(case) > KINK_MARGIN:
            return case
    raise AssertionError("no case away from the kinks")


def numbers(generator, n_rows, n_outputs, objective):
    """Draw what an objective compares with its outputs; of quantiles there are as many levels as outputs."""
    if objective == "pinball":
        return generator.normal(size=(n_rows, 1))
    targets = generator.normal(size=(n_rows, n_outputs))
    if objective == "binary-cross-entropy":
        return (targets > 0).astype(float)
    return np.floor(np.exp(targets)) if objective == "poisson" else targets


def details_of(case):
    """Weights for every sample of some, levels for every output, and a border that some differences are beyond."""
    n_rows, n_outputs = case.x.shape[0], case.weights[-1].shape[1] // case.heads
    weights = None if case.objective in ("squared-error", "cross-entropy") else np.arange(n_rows) + 0.5
    return reference.objective.Details(weights, np.linspace(0.1, 0.8, n_outputs), 0.7)


def outputs_of(case):
    return reference.network.forward(
        case.weights, case.biases, case.x, case.scale, case.keeps, case.activation, case.heads
    )


def distance_to_kink(case):
    inputs = [case.x, *outputs_of(case)[:-1]]
    hidden = list(zip(inputs, case.weights, case.biases, strict=True))[:-1]
    return min((np.abs(reference.network.affine_forward(*layer)).min() for layer in hidden), default=math.inf)


def total_loss(case):
    outputs = reference.heads.own(outputs_of(case)[-1], case.heads)
    targets, details = reference.heads.repeated(case.targets, details_of(case), case.heads)
    penalty = 0.5 * case.weight_decay * sum((w**2).sum() for w in case.weights)
    objective = reference.objective.OBJECTIVES[case.objective]
    return objective.loss(outputs, targets, case.label_smoothing, details) + penalty


def analytic_gradients(case, scale_backward=None):
    """Gradients of `total_loss`: of every weight matrix, every bias, and last of the input."""
    scale = case.scale if scale_backward is None else scale_backward
    outputs = outputs_of(case)
    slopes = reference.network.hidden_slopes(
        case.weights, case.biases, case.x, outputs, scale, case.keeps, case.activation, case.heads
    )
    common = case.weights, outputs, case.targets, scale, case.label_smoothing
    dys = reference.network.backward(*common, slopes, case.objective, details_of(case), case.heads)
    if case.activation == "relu":  # whose derivative the outputs tell as well
        from_outputs = reference.network.backward(
            *common, objective=case.objective, details=details_of(case), heads=case.heads
        )
        for dy, same in zip(dys, from_outputs, strict=True):
            np.testing.assert_allclose(same, dy, rtol=1e-15)
    inputs = [case.x, *outputs[:-1]]
    dws = [
        reference.network.weight_gradient(x, dy) + case.weight_decay * w
        for x, dy, w in zip(inputs, dys, case.weights, strict=True)
    ]
    return dws + [reference.network.bias_gradient(dy) for dy in dys] + [dys[0] @ case.weights[0].T]


def numerical_gradient(case, values):
    """Central differences of `total_loss` with respect to every element of one of the case's own arrays."""
    gradient = np.empty_like(values)
    for place in np.ndindex(values.shape):
        held = values[place]
        values[place] = held + STEP
        above = total_loss(case)
        values[place] = held - STEP
        below = total_loss(case)
        values[place] = held
        gradient[place] = (above - below) / (2 * STEP)
    return gradient


def assert_gradients(case, gradients):
    """Reject `gradients` unless every element agrees with the finite differences."""
    arrays = [*case.weights, *case.biases, case.x]
    for values, actual in zip(arrays, gradients, strict=True):
        expected = numerical_gradient(case, values)
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE * max(1.0, total_loss(case) / 10))


@pytest.mark.parametrize("sizes", [(4, 3), (5, 7, 3), (4, 6, 5, 7, 3)], ids=["no-hidden", "1-hidden", "3-hidden"])
@pytest.mark.parametrize(("dropout", "dropout_scaling"), [(0.0, "inverted"), (0.4, "inverted"), (0.4, "test-time")])
@pytest.mark.parametrize("activation", reference.activation.ACTIVATIONS)
def test_gradients_agree_with_finite_differences(sizes, dropout, dropout_scaling, activation):
    case = make_case(sizes, dropout=dropout, dropout_scaling=dropout_scaling, activation=activation)
    if dropout and case.keeps:
        assert not all(keep.all() for keep in case.keeps)
    assert_gradients(case, analytic_gradients(case))


@pytest.mark.parametrize("heads", [2, 3, 8])
@pytest.mark.parametrize("sizes", [(5, 7, 3), (4, 6, 5, 3)])
@pytest.mark.parametrize(("dropout", "activation"), [(0.0, "relu"), (0.4, "relu"), (0.4, "gelu")])
def test_gradients_of_several_heads_agree_with_finite_differences(heads, sizes, dropout, activation):
    case = make_case(sizes, dropout=dropout, activation=activation, heads=heads)
    assert_gradients(case, analytic_gradients(case))


@few
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(2, 4),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from([0.0, 0.1, 0.7]),
    st.sampled_from(sorted(reference.objective.OBJECTIVES)),
    st.sampled_from([1, 1, 2, 3]),
)
def test_gradients_agree_on_any_small_network(
    widths, n_outputs, n_rows, dropout, weight_decay, label_smoothing, objective, heads
):
    heads = heads if len(widths) > 1 else 1
    case = make_case(
        (*widths, n_outputs), n_rows, dropout, "inverted", weight_decay, label_smoothing, objective=objective,
        heads=heads,
    )  # fmt: skip
    assert_gradients(case, analytic_gradients(case))


@pytest.mark.parametrize("sizes", [(4, 1), (5, 7, 3), (4, 6, 5, 7, 3)], ids=["one-output", "1-hidden", "3-hidden"])
@pytest.mark.parametrize(("dropout", "activation"), [(0.0, "relu"), (0.4, "gelu")])
def test_gradients_of_a_squared_error_agree_with_finite_differences(sizes, dropout, activation):
    case = make_case(sizes, dropout=dropout, activation=activation, objective="squared-error")
    gradients = analytic_gradients(case)
    assert_gradients(case, gradients)
    with pytest.raises(AssertionError):
        assert_gradients(case, [2 * gradient for gradient in gradients])


def _one_element_off(case):
    gradients = analytic_gradients(case)
    gradients[1][2, 1] += 1e-5
    return gradients


def _scale_forgotten(case):
    return analytic_gradients(case, scale_backward=1.0)


def _dropout_forgotten(case):
    return analytic_gradients(case._replace(keeps=None))


def _decay_forgotten(case):
    return analytic_gradients(case._replace(weight_decay=0.0))


def _smoothing_forgotten(case):
    return analytic_gradients(case._replace(label_smoothing=0.0))


def _smoothed_over_the_other_classes(case):
    n = case.weights[-1].shape[1]
    return analytic_gradients(case._replace(label_smoothing=case.label_smoothing * n / (n - 1)))


def _biases_decayed(case):
    gradients = analytic_gradients(case)
    return [g + case.weight_decay * b for g, b in zip(gradients, [0, 0, *case.biases, 0], strict=True)]


def _summed_instead_of_averaged(case):
    return [len(case.x) * g for g in analytic_gradients(case)]


def _slopes_of_another(case):
    return analytic_gradients(case._replace(activation="tanh"))


@pytest.mark.parametrize(
    "wrong",
    [
        _slopes_of_another,
        _one_element_off,
        _scale_forgotten,
        _dropout_forgotten,
        _decay_forgotten,
        _smoothing_forgotten,
        _smoothed_over_the_other_classes,
        _biases_decayed,
        _summed_instead_of_averaged,
    ],
)
def test_finite_differences_reject_a_wrong_gradient(wrong):
    case = make_case((3, 4, 2), dropout=0.4, label_smoothing=0.2)
    assert_gradients(case, analytic_gradients(case))
    with pytest.raises(AssertionError):
        assert_gradients(case, wrong(case))


def two_by_two():
    """Two rows, two inputs, two hidden units, two classes; with L = log(3) everything comes out by hand.

    Affine parts of the hidden layer [[3, 1], [1, -3]], its outputs [[3, 1], [1, 0]], logits [[L, 0], [0, 0]],
    probabilities [[3/4, 1/4], [1/2, 1/2]].
    """
    log3 = math.log(3.0)
    weights = [np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([[log3, 0.0], [-log3, 0.0]])]
    biases = [np.zeros(2), np.array([-log3, 0.0])]
    return weights, biases, np.array([[1.0, 2.0], [2.0, -1.0]]), np.array([0, 1]), log3


def test_two_by_two_example_worked_by_hand():
    weights, biases, x, labels, log3 = two_by_two()
    hidden, logits = reference.network.forward(weights, biases, x, 1.0)
    assert hidden.tolist() == [[3.0, 1.0], [1.0, 0.0]]
    np.testing.assert_allclose(logits, [[log3, 0.0], [0.0, 0.0]], atol=1e-15)
    np.testing.assert_allclose(reference.objective.softmax(logits), [[3 / 4, 1 / 4], [1 / 2, 1 / 2]], rtol=1e-15)
    assert reference.objective.cross_entropy(logits, labels) == pytest.approx(math.log(8 / 3) / 2, rel=1e-15)
    first, second = reference.network.backward(weights, [hidden, logits], labels, 1.0)
    np.testing.assert_allclose(second, [[-1 / 8, 1 / 8], [1 / 4, -1 / 4]], rtol=1e-15)
    np.testing.assert_allclose(first, [[-log3 / 8, log3 / 8], [log3 / 4, 0.0]], rtol=1e-15)


def test_one_step_worked_by_hand():
    weights, biases, x, labels, log3 = two_by_two()
    kept = [a.copy() for a in (*weights, *biases)]
    rule = Rule("sgd", learning_rate=0.5, weight_decay=0.25)
    states = [((), ()), ((), ())]
    new_weights, new_biases, _, loss = reference.training.train_step(
        weights, biases, states, x, labels, None, 1.0, 1, rule
    )
    assert loss == pytest.approx(math.log(8 / 3) / 2, rel=1e-15)
    dws = [
        np.array([[3 * log3 / 8, log3 / 8], [-log3 / 2, log3 / 4]]),
        np.array([[-1 / 8, 1 / 8], [-1 / 8, 1 / 8]]),
    ]
    dbs = [np.array([log3 / 8, log3 / 8]), np.array([1 / 8, -1 / 8])]
    for layer in (0, 1):
        np.testing.assert_allclose(new_weights[layer], 0.875 * weights[layer] - 0.5 * dws[layer], rtol=1e-14)
        np.testing.assert_allclose(new_biases[layer], biases[layer] - 0.5 * dbs[layer], rtol=1e-14)
    assert all((old == given).all() for old, given in zip(kept, (*weights, *biases), strict=True))


def test_permuting_the_batch_leaves_the_gradients():
    case = make_case((5, 7, 3), n_rows=9)
    order = np.random.default_rng(1).permutation(9)
    permuted = case._replace(x=case.x[order], targets=case.targets[order])
    for expected, actual in zip(analytic_gradients(case)[:-1], analytic_gradients(permuted)[:-1], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dropout", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("dropout_scaling", ["inverted", "test-time"])
def test_dropout_keeps_the_expectation_that_evaluation_uses(dropout, dropout_scaling):
    scale_train, scale_eval = reference.network.scales(dropout, dropout_scaling)
    y, n = np.full((2000, 50), 3.0), 100_000
    dropped = reference.network.dropout(y, reference.rng.keep_mask(4, 0, 0, 0, 2000, 50, dropout), scale_train)
    assert set(np.unique(dropped)) == {0.0, 3.0 * scale_train}
    spread = 3.0 * scale_train * math.sqrt(dropout * (1 - dropout) / n)
    assert abs(dropped.mean() - 3.0 * scale_eval) < 4 * spread + 3.0 * scale_train * 2.0**-17


def test_test_time_scaling_multiplies_hidden_outputs_alone():
    case = make_case((5, 7, 3))
    hidden, logits = reference.network.forward(case.weights, case.biases, case.x, 0.75)
    expected = 0.75 * np.maximum(case.x @ case.weights[0] + case.biases[0], 0)
    np.testing.assert_allclose(hidden, expected, rtol=1e-15)
    np.testing.assert_allclose(logits, expected @ case.weights[1] + case.biases[1], rtol=1e-15)


def test_reference_imports_numpy_only():
    allowed = {"__future__", "collections", "itertools", "math", "numpy", "typing", "fastnet.reference"}
    for path in Path(reference.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert {name, name.split(".")[0], ".".join(name.split(".")[:2])} & allowed, f"{path.name}: {name}"
