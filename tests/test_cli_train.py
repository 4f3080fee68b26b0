"""`fastnet train` on a training that pretends: what it asks for, prints, writes and does on Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

from fastnet.config.training import TrainConfig
from fastnet.data import Dataset, fit_scaler
from fastnet.model.classifier import Model
from fastnet.model.scores import Score
from fastnet.report.figures import learning_curve_figure


def pretend(dataset: Dataset, config: TrainConfig, *, epochs_done: int, diverged: bool) -> Any:
    """A result whose validation accuracy is highest after epoch 2."""
    spec = config.network(dataset.n_features, dataset.n_classes)
    shapes = list(zip(spec.sizes[:-1], spec.sizes[1:], strict=True))
    accuracy = np.full(epochs_done, 0.5, np.float32)
    accuracy[1:2] = 0.75
    model = Model(
        spec=spec,
        weights=tuple(np.zeros(shape, np.float32) for shape in shapes),
        biases=tuple(np.zeros(n_out, np.float32) for _, n_out in shapes),
        pipeline=fit_scaler(dataset.x, np.arange(dataset.n_samples)),
        class_names=dataset.class_names,
    )
    losses = np.linspace(2, 1, epochs_done, dtype=np.float32)
    curves = SimpleNamespace(
        train_loss=losses,
        train_score=accuracy,
        validation_loss=losses,
        validation_score=accuracy,
        score="accuracy",
        train_scored="exact",
    )
    has_test = dataset.x_test is not None
    return SimpleNamespace(
        model=model,
        curves=curves,
        best_epoch=min(2, epochs_done),
        epochs_done=epochs_done,
        seconds=1.25,
        compile_seconds=0.5,
        test=Score(value=0.98125, loss=0.0625) if has_test else None,
        diverged=diverged,
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the library was asked for; `interrupt_after` presses Ctrl-C during that epoch."""
    seen: dict[str, Any] = {"interrupt_after": None, "diverged": False}

    def train(dataset: Dataset, config: TrainConfig, **how: Any) -> Any:
        seen.update(dataset=dataset, config=config, **how)
        for number in range(1, config.epochs + 1):
            how["on_epoch"](
                SimpleNamespace(
                    epoch=number,
                    train_loss=1.0,
                    train_score=0.5,
                    validation_loss=1.0,
                    validation_score=0.5,
                    score="accuracy",
                    train_scored="exact",
                )
            )
            if number == seen["interrupt_after"]:
                signal.raise_signal(signal.SIGINT)
            if how["should_stop"]():
                break
        return pretend(dataset, config, epochs_done=number, diverged=seen["diverged"])

    monkeypatch.setattr("fastnet.training.single.train", train)
    monkeypatch.setattr("fastnet.report.figures.learning_curve_figure", lambda _, path, best: path.write_bytes(b"png"))
    monkeypatch.chdir(tmp_path)
    return seen


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["train", "--hidden", "3", "--epochs", "4", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_closing_lines(asked: dict[str, Any]) -> None:
    result = run("--seed", "5")
    model, picture = Path("models/mnist5k-1.safetensors"), Path("models/mnist5k-1.png")
    assert result.stdout.splitlines() == [
        "best epoch:2 of 4, train acc:0.75, val acc:0.75, seed:5",
        "test acc:0.9812, test loss:0.0625",
        "4 epochs in 1.2 s, compile 0.5 s",
        f"model: {model}",
        f"curve: {picture}",
    ]
    assert Model.load(model).spec.hidden == (3,) and picture.is_file()
    described, *progress = result.stderr.splitlines()
    assert described == (
        "mnist5k: 3200 training, 800 validation, 1000 test samples | 784-3-10, 2,395 parameters | "
        "relu, sgd, lr:0.01, seed:5"
    )
    assert progress[-1].startswith("epoch 4/4 | ") and all(line.isprintable() for line in progress)


def test_models_are_numbered_and_never_replaced(asked: dict[str, Any]) -> None:
    run()
    first = Path("models/mnist5k-1.safetensors").read_bytes()
    run("--hidden", "4")
    assert Path("models/mnist5k-1.safetensors").read_bytes() == first
    assert Model.load("models/mnist5k-2.safetensors").spec.hidden == (4,)


def test_output_is_replaced_only_on_request(asked: dict[str, Any]) -> None:
    run("-o", "a/m.safetensors")
    assert "exists" in run("-o", "a/m.safetensors", code=1).stderr
    run("-o", "a/m.safetensors", "--overwrite", "--hidden", "5")
    assert Model.load("a/m.safetensors").spec.hidden == (5,)
    assert sorted(path.name for path in Path("a").iterdir()) == ["m.png", "m.safetensors"]


def test_every_option_reaches_the_configuration(asked: dict[str, Any]) -> None:
    run(
        *["--hidden", "8x2,4", "--activation", "gelu", "--init", "xavier"],
        *["--optimizer", "adamw", "--learning-rate", "0.002"],
        *["--weight-decay", "0.1", "--momentum", "0.8", "--beta1", "0.7", "--beta2", "0.99", "--epsilon", "1e-6"],
        *["--dropout", "0.25", "--dropout-scaling", "test-time", "--batch-size", "7", "--epochs", "3"],
        *["--early-stopping", "2", "--seed", "18446744073709551615", "--jobs", "1", "--samples", "50"],
        *["--validation-fraction", "0.5"],
    )
    assert asked["config"] == TrainConfig(
        hidden=(8, 8, 4),
        activation="gelu",
        init="xavier",
        optimizer="adamw",
        learning_rate=0.002,
        weight_decay=0.1,
        momentum=0.8,
        beta1=0.7,
        beta2=0.99,
        epsilon=1e-6,
        dropout=0.25,
        dropout_scaling="test-time",
        batch_size=7,
        epochs=3,
        early_stopping=2,
        seed=2**64 - 1,
    )
    assert asked["jobs"] == 1 and asked["dataset"].n_samples == 50
    assert len(asked["split"].train) == 25 and len(asked["split"].validation) == 25


def test_initial_values_follow_the_activation(asked: dict[str, Any]) -> None:
    run("--activation", "tanh")
    assert (asked["config"].activation, asked["config"].init) == ("tanh", "xavier")
    run("--activation", "silu")
    assert (asked["config"].activation, asked["config"].init) == ("silu", "he")


def test_nothing_given_is_the_default_configuration(asked: dict[str, Any]) -> None:
    result = CliRunner().invoke(cli, ["train", "--epochs", "1"])
    assert result.exit_code == 0 and asked["config"].resolved() == TrainConfig(epochs=1).resolved()
    assert asked["jobs"] is None and asked["dataset"].n_samples == 4000


def test_data_without_a_test_set(asked: dict[str, Any], tiny_dataset: Dataset) -> None:
    np.savez("flowers.npz", x=tiny_dataset.x, y=tiny_dataset.y)
    result = run("--data", "flowers.npz")
    assert "test acc" not in result.stdout and "model: models" in result.stdout
    assert Path("models/flowers-1.safetensors").is_file()


def test_interrupt_keeps_the_best_epoch_so_far(asked: dict[str, Any]) -> None:
    asked["interrupt_after"] = 3
    result = run(code=130)
    assert "best epoch:2 of 3" in result.stdout and Path("models/mnist5k-1.safetensors").is_file()


def test_interrupt_during_the_first_epoch_leaves_nothing(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **how: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fastnet.training.single.train", interrupted)
    result = run(code=130)
    assert result.stderr.endswith("Interrupted.\n") and not Path("models").exists()


def test_model_that_cannot_be_written_leaves_no_empty_file(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Model, path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("fastnet.model.classifier.Model.save", full)
    result = run(code=1)
    assert "No space left on device" in result.stderr and list(Path("models").iterdir()) == []
    assert "test acc:0.9812" in result.stdout and "model:" not in result.stdout


def test_divergence_is_reported(asked: dict[str, Any]) -> None:
    asked["diverged"] = True
    result = run()
    assert "try a lower --learning-rate" in result.stderr and "model: models" in result.stdout


def test_learning_curve_is_a_picture(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnet.report.figures.learning_curve_figure", learning_curve_figure)
    run()
    assert Path("models/mnist5k-1.png").read_bytes().startswith(b"\x89PNG")
