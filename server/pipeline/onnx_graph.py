"""Writes an ONNX model: the few messages of onnx.proto that a graph of standard operators needs.

Field numbers are those of onnx/onnx.proto (IR version 9); the encoding is that of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.pipeline.types import Float32

IR_VERSION = 9
OPSETS = {"": 17, "com.microsoft": 1}
DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7}  # TensorProto.DataType

Chunk = bytes | memoryview
Message = list[Chunk]  # pieces, so that weights are copied once, at the end


class Graph:
    """A graph under construction: every method returns the names of what it added."""

    def __init__(self) -> None:
        self._nodes: Message = []
        self._constants: Message = []
        self._names = 0

    def constant(self, array: NDArray[Any]) -> str:
        """``array`` must stay unchanged until the model is written."""
        name = self._name()
        data = np.ascontiguousarray(array)
        message = [*_ints(1, data.shape), *_int(2, DTYPES[data.dtype.name]), *_text(8, name)]
        self._constants += _message(5, [*message, *_message(9, [data.reshape(-1).view(np.uint8).data])])
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: int | Sequence[int]) -> str:
        """Add an operator with one output."""
        return self.split(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def split(
        self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: int | Sequence[int]
    ) -> list[str]:
        """Add an operator with several outputs."""
        names = [self._name() for _ in range(outputs)]
        message = [piece for name in inputs for piece in _text(1, name)]
        message += [piece for name in names for piece in _text(2, name)]
        message += [*_text(4, operator), *_text(7, domain)]
        for name, value in attributes.items():
            message += _message(5, _attribute(name, value))
        self._nodes += _message(1, message)
        return names

    def model(self, inputs: dict[str, Sequence[int]], output: str, shape: Sequence[int]) -> bytes:
        """The whole model, of float32 inputs and one float32 output."""
        graph = [*self._nodes, *_text(2, "graph"), *self._constants]
        for name, dimensions in inputs.items():
            graph += _message(11, _value(name, dimensions))
        graph += _message(12, _value(output, shape))
        model = [*_int(1, IR_VERSION), *_message(7, graph)]
        for domain, version in OPSETS.items():
            model += _message(8, [*_text(1, domain), *_int(2, version)])
        return b"".join(model)

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"


def quantised_matmul(graph: Graph, x: str, weight: NDArray[np.int8], step: Float32, bias: Float32) -> str:
    """x @ weight.T * step + bias: weight int8 [out, in], step float32 [out]; x is quantised as a whole, to 8 bits."""
    zero = np.zeros(len(step), np.int8)
    constants = [graph.constant(array) for array in (weight.T, step, zero, bias)]
    return graph.add("DynamicQuantizeMatMul", x, *constants, domain="com.microsoft")


def _attribute(name: str, value: int | Sequence[int]) -> Message:
    if isinstance(value, int):
        return [*_text(1, name), *_int(3, value), *_int(20, 2)]
    return [*_text(1, name), *_ints(8, value), *_int(20, 7)]


def _value(name: str, shape: Sequence[int]) -> Message:
    dimensions = [piece for size in shape for piece in _message(1, _int(1, size))]
    tensor = [*_int(1, DTYPES["float32"]), *_message(2, dimensions)]
    return [*_text(1, name), *_message(2, _message(1, tensor))]


def _int(field: int, value: int) -> Message:
    return [_varint(field << 3) + _varint(value)]


def _ints(field: int, values: Iterable[int]) -> Message:
    return [piece for value in values for piece in _int(field, value)]


def _text(field: int, value: str) -> Message:
    return _message(field, [value.encode()])


def _message(field: int, pieces: Message) -> Message:
    return [_varint(field << 3 | 2) + _varint(sum(len(piece) for piece in pieces)), *pieces]


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)
