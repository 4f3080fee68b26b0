"""The campaign of random configurations: it draws the same ones again, finds nothing, and finds what is broken."""

from __future__ import annotations

import doctest
import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastnet.config.training import TrainConfig

PROFILES = Path(__file__).resolve().parents[1] / "profiles"


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of the campaign, which are not installed."""
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    names = ("bits", "drawing", "driving", "edges", "hostile", "record", "samples", "truth")
    return SimpleNamespace(main=import_module("soak"), **{name: import_module(f"_soak.{name}") for name in names})


def of_form(soak: Any, form: str, number: int = 2, **settings: Any) -> Any:
    """Return a configuration with data of a form and some settings, which trains to its end."""
    config = TrainConfig(
        **{"hidden": (9, 7), "activation": "tanh", "init": "xavier", "objective": "cross-entropy", "batch_size": 7}
        | {"learning_rate": 0.02, "epochs": 3, "seed": 5}
        | settings
    )
    return replace(
        soak.drawing.draw(5, number, "training"), form=form, column="usual", n_train=23, n_validation=9, n_features=12,
        n_outputs=3, filled=0.3, numbers="auto", weighted=False,
        config=config,
    )  # fmt: skip


def found(soak: Any, drawn: Any, check: Any) -> str:
    """Check one configuration; return the words of its failure."""
    record = soak.record.Record()
    record.begin(drawn)
    try:
        check(record, drawn)
    except soak.record.Wrong as wrong:
        return str(wrong)
    return ""


def test_a_configuration_is_drawn_again_by_its_number(soak: Any) -> None:
    drawn = [soak.drawing.draw(3, number) for number in range(120)]
    assert drawn == [soak.drawing.draw(3, number) for number in range(120)]
    assert drawn != [soak.drawing.draw(4, number) for number in range(120)]
    assert {each.kind for each in drawn} >= {"training", "poison", "edge", "search"}
    assert {each.form for each in drawn} == set(soak.drawing.FORMS)


def test_its_examples_run(soak: Any) -> None:
    for module in (soak.main, soak.drawing, soak.record, soak.truth):
        assert doctest.testmod(module).attempted and not doctest.testmod(module).failed


WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("array", {"optimizer": "momentum", "objective": "squared-error"}),
    ("zeros", {"optimizer": "sgd", "activation": "relu", "dropout": 0.25}),
    ("sparse", {"optimizer": "adam", "learning_rate": 1e6}),
    ("table", {"optimizer": "adam", "class_weight": "balanced", "activation": "gelu"}),
)
"""Configurations that need few kernels; those of a campaign compile for a minute."""


def test_some_configurations_have_nothing_wrong(
    soak: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def few(seed: int, number: int, kind: str) -> Any:
        form, settings = WAYS[number % len(WAYS)]
        return replace(of_form(soak, form, number, **settings), kind=kind)

    monkeypatch.setattr(soak.driving, "draw", few)
    names = ("nan in x", "1e+300 in y", "5 x 0", "3 x 3", "targets times 0", "constant features")
    monkeypatch.setattr(soak.edges, "EDGES", {name: soak.edges.EDGES[name] for name in names})
    monkeypatch.setattr(soak.edges, "_SETTINGS", (("learning_rate", (1e6, 5e-324)), ("seed", (0, 2**64 - 1))))
    path = tmp_path / "soak.json"
    for kind, count in (("training", 6), ("poison", 4), ("edge", 8)):
        options = ["--seed", "7", "--count", str(count), "--kind", kind, "--json", str(path)]
        assert soak.main.main(options) == 0, capsys.readouterr().out
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["configurations"] == count and result["failures"] == [] and result["checks"]
        assert result["by"]["kind"] == {kind: count} and result["machine"]["lanes"] in (4, 8, 16)
    assert "nothing failed" in capsys.readouterr().out


def test_a_reference_that_differs_is_found(soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.reference import rules, training

    drawn = of_form(soak, "array", optimizer="momentum", objective="squared-error")
    check = soak.driving.check_training
    assert found(soak, drawn, check) == ""
    update = rules.update
    monkeypatch.setattr(training, "update", lambda w, g, state, t, rule: update(w, g * (1 + 1e-2), state, t, rule))
    assert "trajectory: off by" in found(soak, drawn, check)


def test_a_flipped_bit_is_found(soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = of_form(soak, "zeros", optimizer="sgd")
    ended, calls = soak.bits.ended, []

    def flipped(run: Any, t: int) -> Any:
        calls.append(t)
        result = ended(run, t)
        if len(calls) <= 3:
            return result
        return result._replace(parameters=result.parameters[:-1] + bytes([result.parameters[-1] ^ 1]))

    for module in (soak.bits, soak.driving):
        monkeypatch.setattr(module, "ended", flipped)
    monkeypatch.setattr(soak.bits, "VARIANTS", {"alone": soak.bits.VARIANTS["alone"]})
    assert found(soak, drawn, soak.driving.check_training) == "alone: network 0 differs in parameters"


def test_a_kernel_that_writes_beyond_its_buffer_is_found(soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.network import memory

    shapes = memory.work_shapes

    def short(*args: Any, **options: Any) -> Any:
        made = shapes(*args, **options)
        return made | {"state": ((made["state"][0][0] // 2,), np.float64)}

    monkeypatch.setattr("fastnet.network.assembly.work_shapes", short)
    drawn = of_form(soak, "array", optimizer="adam")
    assert found(soak, drawn, soak.driving.check_training) == "canaries: a kernel wrote behind its buffer"


def test_a_wrong_gradient_is_found(soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = of_form(soak, "array", activation="gelu", dropout=0.25)
    data = soak.samples.prepared_of(drawn)
    wrong = found(soak, drawn, lambda record, drawn: soak.truth.check_gradient(record, drawn, data))
    assert wrong == ""
    loss_of = soak.truth._loss_of

    def steeper(*args: Any) -> Any:
        loss = loss_of(*args)
        return lambda parameters: 1.001 * loss(parameters)

    monkeypatch.setattr(soak.truth, "_loss_of", steeper)
    wrong = found(soak, drawn, lambda record, drawn: soak.truth.check_gradient(record, drawn, data))
    assert "the gradient is off by" in wrong


def test_a_poisoned_network_that_spoils_its_neighbour_is_found(soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = of_form(soak, "array", optimizer="sgd")
    assert found(soak, drawn, soak.hostile.check_poison) == ""
    neighbours = soak.hostile.neighbours
    calls: list[int] = []

    def other(drawn: Any, data: Any) -> Any:
        calls.append(0)
        return neighbours(drawn, data)

    ended = soak.hostile.ended
    monkeypatch.setattr(soak.hostile, "neighbours", other)
    monkeypatch.setattr(
        soak.hostile, "ended", lambda run, t: ended(run, t)._replace(epochs=len(run._members))
    )  # the packs with and without poison differ in size
    assert "next to a network with" in found(soak, drawn, soak.hostile.check_poison)


def test_a_refusal_of_several_lines_is_found(soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import fastnet

    def refuse(*args: Any, **options: Any) -> None:
        error = fastnet.DataError()
        error.args = ("first line\nsecond line",)  # which the class itself would write on one
        raise error

    monkeypatch.setattr(fastnet, "as_dataset", refuse)
    drawn = soak.drawing.draw(1, 1, "edge")
    assert "which is not one sentence" in found(soak, drawn, soak.edges.check_edge)


def test_failures_are_told_with_what_repeats_them(soak: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def fail(record: Any, drawn: Any) -> None:
        raise soak.record.Wrong("the sky fell")

    monkeypatch.setattr(soak.driving, "check", fail)
    assert soak.main.main(["--seed", "9", "--only", "4"]) == 1
    printed = capsys.readouterr().out
    assert "FAILED 4" in printed and "the sky fell" in printed and "number=4" in printed
