"""Lay out Silero VAD's 8 kHz model for batches: `bridge/listening/models/silero_vad_8k.onnx` from the authors' file.

    pip install onnx onnxruntime
    python deploy/silero_8k.py silero_vad.onnx bridge/listening/models/silero_vad_8k.onnx

The authors' file (silero-vad 6.2.3, MIT) holds a model for each of two rates behind branches, convolves every window
of a batch by itself, and puts the weights of its LSTM together anew in each run. Here the same weights stand ready,
and each layer is one matrix product over the whole batch: the same probabilities to seven digits in a third of the
time, and less than half the size. Nothing is written unless both models agree on noise.

One window is 32 + 256 samples, 32 more are mirrored behind it; four frames of 128 samples, 64 apart, become 65
magnitudes each; convolutions over three frames make 4 x 128, 2 x 64, 1 x 64 and 1 x 128 numbers of them; then come
the LSTM (128 units) and the output.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = NDArray[np.float32]

AGREE = 1e-5
BINS, HIDDEN = 65, 128


class Graph:
    """Nodes and constants of a model as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def weights(self, name: str, values: NDArray[np.generic]) -> str:
        """A constant by name."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def whole(self, *values: int) -> str:
        """A constant of whole numbers: a shape, axes, or lengths."""
        return self.weights("whole " + " ".join(map(str, values)), np.array(values, np.int64))

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        """A node with one output, whose name is returned."""
        return self.split(kind, *inputs, outputs=1, **attributes)[0]

    def split(self, kind: str, *inputs: str, outputs: int, **attributes: object) -> list[str]:
        """A node with several outputs."""
        names = [f"{len(self.nodes)} {kind} {number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def layer(self, inputs: str, name: str, weights: Weights, bias: Weights) -> str:
        """Rows times weights, plus bias, nothing below zero."""
        product = self.add("Gemm", inputs, self.weights(name, weights), self.weights(f"{name} bias", bias))
        return self.add("Relu", product)


def read_weights(path: Path) -> dict[str, Weights]:
    """The 8 kHz model's weights by the names of the authors' PyTorch modules."""
    branch = next(node for node in onnx.load(path).graph.node if node.op_type == "If")
    graph = next(attribute.g for attribute in branch.attribute if attribute.name == "else_branch")
    found = {
        node.output[0].rpartition("__")[2]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant"
    }
    if found["stft.forward_basis_buffer"].shape != (2 * BINS, 1, 128):
        raise SystemExit(f"{path}: not the 8 kHz model that this script knows")
    return found


def magnitudes(graph: Graph, basis: Weights) -> str:
    """Windows [B, 288] to magnitudes [B, 4, 65]."""
    padded = graph.add("Pad", "input", graph.whole(0, 0, 0, 32), mode="reflect")
    blocks = graph.add("Reshape", padded, graph.whole(-1, 5, 64))
    first = graph.add("Slice", blocks, graph.whole(0), graph.whole(4), graph.whole(1))
    second = graph.add("Slice", blocks, graph.whole(1), graph.whole(5), graph.whole(1))
    frames = graph.add("Concat", first, second, axis=2)
    waves = graph.add("MatMul", frames, graph.weights("stft", basis[:, 0].T))
    real, imaginary = graph.split("Split", waves, graph.whole(BINS, BINS), outputs=2, axis=2)
    power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    return graph.add("Sqrt", power)


def spread(weights: Weights, frames: int, stride: int) -> Weights:
    """A convolution over three frames as one matrix [frames x in, outputs x out], zero before the first frame."""
    outputs, inputs, taps = weights.shape
    steps = frames // stride
    matrix = np.zeros((frames, inputs, steps, outputs), np.float32)
    for step in range(steps):
        for tap in range(taps):
            frame = step * stride + tap - 1
            if 0 <= frame < frames:
                matrix[frame, :, step] = weights[:, :, tap].T
    return matrix.reshape(frames * inputs, steps * outputs)


def encoder(graph: Graph, heard: str, found: dict[str, Weights]) -> str:
    """Magnitudes [B, 4, 65] to features [B, 128]."""
    weights = [found[f"encoder.{number}.reparam_conv.weight"] for number in range(4)]
    biases = [found[f"encoder.{number}.reparam_conv.bias"] for number in range(4)]
    # Over four frames the widest layer is quicker as four products of three frames each than as one with zeros in it.
    edged = graph.add("Pad", heard, graph.whole(0, 1, 0, 0, 1, 0))
    shifted = [
        graph.add("Slice", edged, graph.whole(first), graph.whole(first + 4), graph.whole(1)) for first in range(3)
    ]
    threes = graph.add("Reshape", graph.add("Concat", *shifted, axis=2), graph.whole(-1, 3 * BINS))
    features = graph.layer(threes, "encoder 0", weights[0].transpose(2, 1, 0).reshape(3 * BINS, -1), biases[0])
    features = graph.add("Reshape", features, graph.whole(-1, 4 * 128))
    features = graph.layer(features, "encoder 1", spread(weights[1], 4, 2), np.tile(biases[1], 2))
    features = graph.layer(features, "encoder 2", spread(weights[2], 2, 2), biases[2])
    return graph.layer(features, "encoder 3", spread(weights[3], 1, 1), biases[3])


def lstm(graph: Graph, features: str, found: dict[str, Weights]) -> str:
    """Features [B, 128] and `state` to the hidden numbers [1, B, 128] and `stateN`."""

    def gates(name: str) -> Weights:
        """PyTorch keeps input, forget, cell, output; ONNX input, output, forget, cell."""
        enter, forget, cell, leave = np.split(found[f"decoder.rnn.{name}"], 4)
        return np.concatenate([enter, leave, forget, cell])

    hidden, cell = graph.split("Split", "state", graph.whole(1, 1), outputs=2, axis=0)
    _, hidden, cell = graph.split(
        "LSTM",
        graph.add("Unsqueeze", features, graph.whole(0)),
        graph.weights("lstm inputs", gates("weight_ih")[None]),
        graph.weights("lstm hidden", gates("weight_hh")[None]),
        graph.weights("lstm bias", np.concatenate([gates("bias_ih"), gates("bias_hh")])[None]),
        "",
        hidden,
        cell,
        outputs=3,
        hidden_size=HIDDEN,
    )
    graph.nodes.append(helper.make_node("Concat", [hidden, cell], ["stateN"], axis=0))
    return hidden


def build(found: dict[str, Weights]) -> onnx.ModelProto:
    """The whole model, with the authors' names and shapes for what goes in and comes out."""
    graph = Graph()
    hidden = lstm(graph, encoder(graph, magnitudes(graph, found["stft.forward_basis_buffer"]), found), found)
    rows = graph.add("Relu", graph.add("Reshape", hidden, graph.whole(-1, HIDDEN)))
    weights = graph.weights("output weights", found["decoder.decoder.2.weight"].reshape(HIDDEN, 1))
    raw = graph.add("Gemm", rows, weights, graph.weights("output bias", found["decoder.decoder.2.bias"]))
    graph.nodes.append(helper.make_node("Sigmoid", [raw], ["output"]))

    def tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    state = 2, "B", HIDDEN
    described = helper.make_graph(
        graph.nodes,
        "silero_vad_8k",
        [tensor("input", "B", 288), tensor("state", *state)],
        [tensor("output", "B", 1), tensor("stateN", *state)],
        list(graph.constants.values()),
        doc_string="Silero VAD 6.2.3, 8 kHz, (c) 2020-present Silero Team, MIT License; laid out for batches",
    )
    model = helper.make_model(described, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def difference(authors: Path, model: onnx.ModelProto) -> float:
    """The largest difference of probabilities over 50 windows of 9 calls, each model on its own states."""
    sessions = [onnxruntime.InferenceSession(source) for source in (str(authors), model.SerializeToString())]
    states = [np.zeros((2, 9, HIDDEN), np.float32) for _ in sessions]
    random, largest = np.random.default_rng(1), 0.0
    for _ in range(50):
        windows = (random.standard_normal((9, 288)) * np.logspace(-4, -0.3, 9)[:, None]).astype(np.float32)
        inputs = [{"input": windows, "state": state} for state in states]
        inputs[0]["sr"] = np.array(8000, np.int64)
        outputs = [session.run(None, given) for session, given in zip(sessions, inputs, strict=True)]
        largest = max(largest, float(np.abs(outputs[0][0] - outputs[1][0]).max()))
        states = [output[1] for output in outputs]
    return largest


def main() -> None:
    """Read, build, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("authors", type=Path, help="silero_vad.onnx of silero-vad 6.2.3")
    parser.add_argument("ours", type=Path, help="where to write the model")
    arguments = parser.parse_args()
    model = build(read_weights(arguments.authors))
    largest = difference(arguments.authors, model)
    if largest > AGREE:
        sys.exit(f"not written: both models differ by {largest:.2g}")
    onnx.save(model, arguments.ours)
    print(f"{arguments.ours}: {arguments.ours.stat().st_size / 1e6:.2f} MB, differs by at most {largest:.1g}")


if __name__ == "__main__":
    main()
