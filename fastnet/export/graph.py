"""An ONNX graph as it is written, node after node."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.errors import ConfigError

if TYPE_CHECKING:
    import onnx

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""Versions of the operators and of the format: runtimes refuse newer ones than they know, and these are from 2022."""

ML = "ai.onnx.ml"
"""Domain of the operators of classical models."""

TYPES = {"f4": "FLOAT", "f8": "DOUBLE", "i8": "INT64", "b1": "BOOL"}
"""ONNX's name of each NumPy type."""


def need_onnx() -> None:
    """Raise `ConfigError` unless the package onnx can be imported."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ConfigError(
            "the package onnx, which writes ONNX files, is not installed: install 'fastnet-mlp[onnx]'"
        ) from None


class Graph:
    """Nodes, constants, inputs and outputs of a graph; a value in it is known by its name.

    Parameters
    ----------
    reserved : collection of str
        Names of inputs and outputs, which no other value may have.

    Examples
    --------
    >>> graph = Graph(["x"])
    >>> x = graph.input("x", "FLOAT", ["N", 2])
    >>> graph.output("y", "FLOAT", ["N", 2], graph.op("Mul", x, graph.constant(np.float32([2.0, 3.0]))))
    >>> [node.op_type for node in graph.model("twice", {}).graph.node]
    ['Mul', 'Identity']
    """

    def __init__(self, reserved: Collection[str] = ()) -> None:
        self._taken = set(reserved)
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self._known: dict[tuple[Any, ...], str] = {}

    @property
    def size(self) -> int:
        """Bytes of all constants."""
        return sum(tensor.ByteSize() for tensor in self._tensors)

    def input(self, name: str, kind: str, shape: Sequence[int | str], about: str = "") -> str:
        """Add an input of an ONNX type such as ``FLOAT``; return its name."""
        from onnx import TensorProto, helper

        of_kind = TensorProto.DataType.Value(kind)
        self._inputs.append(helper.make_tensor_value_info(name, of_kind, list(shape), doc_string=about))
        return name

    def output(self, name: str, kind: str, shape: Sequence[int | str], value: str, about: str = "") -> None:
        """Add an output with a value of the graph."""
        from onnx import TensorProto, helper

        self._nodes.append(helper.make_node("Identity", [value], [name]))
        of_kind = TensorProto.DataType.Value(kind)
        self._outputs.append(helper.make_tensor_value_info(name, of_kind, list(shape), doc_string=about))

    def op(self, kind: str, *values: str, domain: str = "", unused: int = 0, **attributes: Any) -> str:
        """Add a node; return the name of its first result, which `unused` others follow."""
        from onnx import helper

        names = [self._name(kind) for _ in range(1 + unused)]
        self._nodes.append(helper.make_node(kind, list(values), names, domain=domain or None, **attributes))
        return names[0]

    def constant(self, values: npt.ArrayLike) -> str:
        """Return the name of a constant, the same for equal ones."""
        from onnx import numpy_helper

        array = np.asarray(values)
        array = array.astype(object) if array.dtype.kind == "U" else np.ascontiguousarray(array)
        content = tuple(array.ravel().tolist()) if array.dtype == object else array.tobytes()
        key = (array.dtype.str, np.shape(values), content)
        if key not in self._known:
            self._known[key] = self._name("Constant")
            self._tensors.append(numpy_helper.from_array(array.reshape(np.shape(values)), self._known[key]))
        return self._known[key]

    def cast(self, value: str, kind: str) -> str:
        """Convert a value to an ONNX type."""
        from onnx import TensorProto

        return self.op("Cast", value, to=TensorProto.DataType.Value(kind))

    def joined(self, values: Sequence[str]) -> str:
        """Put values side by side."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=1)

    def columns(self, value: str, places: npt.NDArray[np.int64]) -> str:
        """Take columns of a value."""
        return self.op("Gather", value, self.constant(np.asarray(places, np.int64)), axis=1)

    def model(self, about: str, metadata: dict[str, str]) -> onnx.ModelProto:
        """Return the whole as a model of ONNX."""
        from onnx import helper

        from fastnet._version import __version__

        graph = helper.make_graph(self._nodes, "fastnet", self._inputs, self._outputs, self._tensors)
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)],
            ir_version=IR_VERSION,
            producer_name="fastnet",
            producer_version=__version__,
            doc_string=about,
        )
        helper.set_model_props(made, metadata)
        return made

    def _name(self, kind: str) -> str:
        number = len(self._taken)
        while (name := f"{kind}_{number}") in self._taken:
            number += 1
        self._taken.add(name)
        return name
