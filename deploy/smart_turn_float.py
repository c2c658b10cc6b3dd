"""Smart Turn v3.2 as its authors quantised it -> the same network in plain floating point.

    python deploy/smart_turn_float.py smart-turn-v3.2-cpu.onnx bridge/listening/models/smart_turn_v3_2.onnx

The published file rounds every layer's activations to 8 bits. Integer kernels differ by instruction set, and where a
sum lies near the middle of two steps the rounding falls either way: between two processors, or two orders of adding,
the probability of one and the same pause differed by up to 0.45. Here the rounding of activations is left out. The
weights stay as published, 8 bits each with their scales, so that the file is no larger; the runtime expands them once.

Needs the `onnx` package (`pip install onnx`).
"""

from __future__ import annotations

import sys

import onnx


def without_rounded_activations(model: onnx.ModelProto) -> onnx.ModelProto:
    """Bypass each QuantizeLinear whose input is computed, together with the DequantizeLinear behind it."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    rounded = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    }
    instead = {
        node.output[0]: rounded[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded
    }
    outputs = {output.name for output in graph.output}
    assert not outputs & instead.keys(), "an output of the network is rounded: it would lose its name"
    kept = [node for node in graph.node if node.output[0] not in rounded and node.output[0] not in instead]
    for node in kept:
        for index, name in enumerate(node.input):
            while name in instead:
                name = instead[name]
            node.input[index] = name
    used = {name for node in kept for name in node.input}
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(initializers)
    return model


def main() -> None:
    """Read the first file named on the command line, write the second."""
    source, target = sys.argv[1:]
    model = without_rounded_activations(onnx.load(source))
    onnx.checker.check_model(model)
    onnx.save(model, target)
    left = sum(node.op_type == "QuantizeLinear" for node in model.graph.node)
    print(f"{target}: {len(model.graph.node)} operations, {left} of them still round")


if __name__ == "__main__":
    main()
