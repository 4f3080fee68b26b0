"""The shape of one network."""

from __future__ import annotations

from dataclasses import dataclass

from fastnet.config.checks import check_choice, check_count
from fastnet.config.text import check_widths
from fastnet.scalars import make_plain

ACTIVATIONS = ("relu", "leaky-relu", "tanh", "logistic", "gelu", "silu")
INITS = ("he", "xavier")
INIT_OF = {name: "xavier" if name in ("tanh", "logistic") else "he" for name in ACTIVATIONS}
"""Default initial values of each activation: He's for those like ReLU, Xavier's for the S-shaped ones."""

MOST_HEADS = 16

BOOK_HIDDEN = (100,) * 6
"""Six hidden layers of 100: the network of chapter 6.4-6.5 of *Deep Learning from Scratch*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """The shape of one fully connected network.

    Parameters
    ----------
    n_inputs : int
        Inputs of the first layer, at least 1.
    n_outputs : int
        Classes, or numbers to predict, at least 1.
    hidden : tuple of int
        Width of each hidden layer, each at least 1; empty for softmax regression.
    activation : {"relu", "leaky-relu", "tanh", "logistic", "gelu", "silu"}
        Activation of the hidden layers. ``leaky-relu`` has the slope 0.01 below zero; ``gelu`` is ``z Φ(z)`` with the
        exact normal distribution, not an approximation; ``silu`` is z times the logistic function of z.
    init : {"he", "xavier"}
        Standard deviation of the initial weights: ``sqrt(2 / n_in)`` (He et al. 2015) or
        ``sqrt(2 / (n_in + n_out))`` (Glorot and Bengio 2010). Biases start at zero.
    heads : int
        Output layers whose mean is the answer, 1 to `MOST_HEADS` (1 without hidden layers), see `TrainConfig`.

    Raises
    ------
    ConfigError
        If a size, the activation or the initial values are not allowed.

    Examples
    --------
    >>> NetworkSpec(n_inputs=784, n_outputs=10, hidden=(100, 50)).sizes
    (784, 100, 50, 10)
    """

    n_inputs: int
    n_outputs: int
    hidden: tuple[int, ...] = BOOK_HIDDEN
    activation: str = "relu"
    init: str = "he"
    heads: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        check_count("n_inputs", self.n_inputs)
        check_count("n_outputs", self.n_outputs, high=65_536)
        check_widths("hidden", self.hidden)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("init", self.init, INITS)
        check_count("heads", self.heads, high=MOST_HEADS if self.hidden else 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of all layers, input and output included; that of the output is the sum over the heads."""
        return (self.n_inputs, *self.hidden, self.heads * self.n_outputs)

    @property
    def text(self) -> str:
        """Widths of all layers, and the number of heads if there are several.

        Examples
        --------
        >>> NetworkSpec(n_inputs=8, n_outputs=1, hidden=(64, 32), heads=4).text
        '8-64-32-1 with 4 heads'
        """
        widths = "-".join(map(str, (self.n_inputs, *self.hidden, self.n_outputs)))
        return f"{widths} with {self.heads} heads" if self.heads > 1 else widths

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum((i + 1) * o for i, o in zip(self.sizes[:-1], self.sizes[1:], strict=True))
