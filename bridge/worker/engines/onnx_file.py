"""Reads weights and wiring of an ONNX file, for engines that rebuild the network in torch, without an ONNX library.

An ONNX file is one protobuf message; the field numbers are those of onnx.proto3 (https://github.com/onnx/onnx).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError

Array = NDArray[Any]
_TYPES: dict[int, Any] = {1: "<f4", 2: "u1", 3: "i1", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}
_LISTS = {4: (1, "<f4"), 10: (11, "<f8")}
"""Fields of a tensor that hold its values unless raw_data does: data type and element."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the network, with its inputs and outputs by name."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ints: dict[str, tuple[int, ...]]
    """Its attributes of the types int and ints."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A network: operations in order, and its constant tensors by name (initializers and Constant nodes)."""

    nodes: tuple[Node, ...]
    tensors: dict[str, Array]

    def producer(self, name: str) -> Node:
        """The node that makes this tensor. Raises KeyError."""
        for node in self.nodes:
            if name in node.outputs:
                return node
        raise KeyError(name)


def read_onnx(path: Path) -> Graph:
    """Raises ConfigError when the file is missing or no ONNX model with its weights inside."""
    try:
        data = memoryview(path.read_bytes())
        graph = next(value for field, value in _fields(data) if field == 7 and isinstance(value, memoryview))
        return _graph(graph)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (ValueError, IndexError, KeyError, StopIteration) as error:
        raise ConfigError(f"{path}: not an ONNX model that can be read ({error!r})") from error


def _graph(data: memoryview) -> Graph:
    nodes, tensors = [], {}
    for field, value in _fields(data):
        if field == 1 and isinstance(value, memoryview):
            node, constant = _node(value)
            nodes.append(node)
            if constant is not None:
                tensors[node.outputs[0]] = constant
        elif field == 5 and isinstance(value, memoryview):
            name, tensor = _tensor(value)
            tensors[name] = tensor
    return Graph(tuple(nodes), tensors)


def _node(data: memoryview) -> tuple[Node, Array | None]:
    inputs, outputs, op, ints = [], [], "", {}
    constant: Array | None = None
    for field, value in _fields(data):
        if not isinstance(value, memoryview):
            continue
        if field == 1:
            inputs.append(str(value, "utf-8"))
        elif field == 2:
            outputs.append(str(value, "utf-8"))
        elif field == 4:
            op = str(value, "utf-8")
        elif field == 5:
            name, numbers, tensor = _attribute(value)
            ints[name] = numbers
            constant = tensor if op == "Constant" and name == "value" else constant
    return Node(op, tuple(inputs), tuple(outputs), ints), constant


def _attribute(data: memoryview) -> tuple[str, tuple[int, ...], Array | None]:
    name, numbers = "", []
    tensor: Array | None = None
    for field, value in _fields(data):
        if field == 1 and isinstance(value, memoryview):
            name = str(value, "utf-8")
        elif field in (3, 8):
            numbers += [value] if isinstance(value, int) else list(_varints(value))
        elif field == 5 and isinstance(value, memoryview):
            tensor = _tensor(value)[1]
    return name, tuple(_signed(number) for number in numbers), tensor


def _tensor(data: memoryview) -> tuple[str, Array]:
    dims: list[int] = []
    name, data_type, raw = "", 0, b""
    values: Array | None = None
    for field, value in _fields(data):
        if field == 1:
            dims += [value] if isinstance(value, int) else list(_varints(value))
        elif field == 2 and isinstance(value, int):
            data_type = value
        elif field == 8 and isinstance(value, memoryview):
            name = str(value, "utf-8")
        elif field == 9 and isinstance(value, memoryview):
            raw = bytes(value)
        elif field in _LISTS and isinstance(value, memoryview):
            values = np.frombuffer(value, _LISTS[field][1])
        elif field in (5, 7) and isinstance(value, memoryview):
            values = np.array([_signed(number) for number in _varints(value)])
        elif field == 14 and value == 1:
            raise ValueError(f"tensor {name} lies in another file")
    kind = np.dtype(_TYPES[data_type])
    flat = np.frombuffer(raw, kind) if values is None else values.astype(kind)
    return name, flat.reshape(dims)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of one protobuf message; a value is a number, or the bytes of what has a length."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        field, wire = key >> 3, key & 7
        if wire == 0:
            number, position = _varint(data, position)
            yield field, number
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        if position + size > len(data):
            raise ValueError("cut off")
        yield field, data[position : position + size]
        position += size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7


def _varints(data: memoryview) -> Iterator[int]:
    position = 0
    while position < len(data):
        number, position = _varint(data, position)
        yield number


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
