"""The construction of an ONNX model, step by step; the only file that imports onnx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from kernels.mel.audio import Float32

IR_VERSION = 9
OPSETS = {"": 17, "com.microsoft": 1}


class Graph:
    """A graph under construction; the methods return the names of the tensors that they add."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._names = 0

    def constant(self, array: NDArray[Any]) -> str:
        """Add a copy of ``array`` as a constant."""
        name = self._name()
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: int | Sequence[int]) -> str:
        """Add an operator with one output."""
        return self.split(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def split(
        self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: int | Sequence[int]
    ) -> list[str]:
        """Add an operator with several outputs."""
        names = [self._name() for _ in range(outputs)]
        node = helper.make_node(operator, inputs, names, domain=domain)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return names

    def model(self, inputs: dict[str, Sequence[int]], output: str, shape: Sequence[int]) -> bytes:
        """Return the model, with float32 inputs and one float32 output, in ONNX's serialised form."""
        graph = helper.make_graph(
            self._nodes,
            "graph",
            [_float32(name, dimensions) for name, dimensions in inputs.items()],
            [_float32(output, shape)],
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        return bytes(model.SerializeToString())

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"


def quantised_matmul(graph: Graph, x: str, weight: NDArray[np.int8], step: Float32, bias: Float32) -> str:
    """Add x @ weight.T * step + bias: weight int8 [out, in], step float32 [out].

    x is quantised to 8 bits, with one scale for all its elements.
    """
    zero = np.zeros(len(step), np.int8)
    constants = [graph.constant(array) for array in (weight.T, step, zero, bias)]
    return graph.add("DynamicQuantizeMatMul", x, *constants, domain="com.microsoft")


def _float32(name: str, shape: Sequence[int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
