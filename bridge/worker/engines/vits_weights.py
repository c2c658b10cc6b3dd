"""Reads a Piper `.onnx` file into the torch network: sizes off the graph, weights by the names that the export left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.errors import ConfigError
from bridge.worker.engines.onnx_file import Array, Graph, Node, read_onnx
from bridge.worker.engines.vits_network import VitsNetwork
from bridge.worker.engines.vits_shape import VitsShape


def load_vits(path: Path) -> VitsNetwork:
    """The voice in this file. Raises ConfigError when it is no VITS as Piper exports it."""
    return build_vits(read_onnx(path), str(path))


def build_vits(graph: Graph, name: str) -> VitsNetwork:
    """The voice in this graph; `name` is for the error message."""
    try:
        weights = find_weights(graph)
        network = VitsNetwork(find_shape(graph, weights)).eval()
        wanted = network.state_dict()
        network.load_state_dict({key: torch.from_numpy(weights[key].copy()).float() for key in wanted})
    except (KeyError, IndexError, StopIteration, RuntimeError, ValueError) as error:
        raise ConfigError(f"{name}: not a Piper voice: {error!r}") from error
    return network.requires_grad_(False)


def find_weights(graph: Graph) -> dict[str, Array]:
    """Weights by their torch names.

    Most initializers keep theirs. A weight that was normalised lost it, but the bias beside it did not. The phoneme
    and speaker embeddings are known by the input that indexes them. The affine flow's scale was folded into what its
    difference is multiplied by.
    """
    weights = dict(graph.tensors)
    for node in graph.nodes:
        if node.op in ("Conv", "ConvTranspose") and len(node.inputs) == 3 and node.inputs[1] in graph.tensors:
            weights[node.inputs[2].removesuffix("bias") + "weight"] = graph.tensors[node.inputs[1]]
        elif node.op == "Gather" and node.inputs[0] in graph.tensors and node.inputs[1] == "input":
            weights["enc_p.emb.weight"] = graph.tensors[node.inputs[0]]
        elif node.op == "Gather" and node.inputs[0] in graph.tensors and node.inputs[1] == "sid":
            weights["emb_g.weight"] = graph.tensors[node.inputs[0]]
        elif node.op == "Sub" and node.inputs[1] == "dp.flows.0.m":
            product = next(other for other in graph.nodes if node.outputs[0] in other.inputs)
            factor = next(name for name in product.inputs if name != node.outputs[0])
            weights["dp.flows.0.scale"] = _constant(graph, factor)
    return weights


def _constant(graph: Graph, name: str) -> Array:
    """A tensor, or exp or the negative of one, that the export did not fold. Raises KeyError for anything else."""
    if name in graph.tensors:
        return graph.tensors[name]
    node = graph.producer(name)
    if node.op not in ("Exp", "Neg", "Identity"):
        raise KeyError(name)
    value = _constant(graph, node.inputs[0])
    return np.exp(value) if node.op == "Exp" else -value if node.op == "Neg" else value


def find_shape(graph: Graph, weights: dict[str, Array]) -> VitsShape:
    """Sizes from the weights' shapes, strides and dilations from the nodes' attributes."""
    convs = {node.inputs[2].removesuffix(".bias"): node for node in graph.nodes if _is_named_conv(node)}
    symbols, width = weights["enc_p.emb.weight"].shape
    _, window, depth = weights["enc_p.encoder.attn_layers.0.emb_rel_k"].shape
    ups = [convs[f"dec.ups.{index}"] for index in range(_count(weights, "dec.ups."))]
    blocks_each = _count(weights, "dec.resblocks.") // len(ups)
    paired = "dec.resblocks.0.convs1.0.weight" in weights
    inner = "convs1" if paired else "convs"
    first_blocks = [
        [
            convs[f"dec.resblocks.{block}.{inner}.{index}"]
            for index in range(_count(weights, f"dec.resblocks.{block}.{inner}."))
        ]
        for block in range(blocks_each)
    ]
    speakers, speaker_width = weights["emb_g.weight"].shape if "emb_g.weight" in weights else (1, 0)
    return VitsShape(
        symbols=symbols,
        width=width,
        hidden=weights["enc_p.encoder.ffn_layers.0.conv_1.weight"].shape[0],
        heads=width // depth,
        layers=_count(weights, "enc_p.encoder.attn_layers."),
        attention_window=window // 2,
        flow_kernel=weights["flow.flows.0.enc.in_layers.0.weight"].shape[2],
        flow_layers=_count(weights, "flow.flows.0.enc.in_layers."),
        channels=weights["dec.conv_pre.weight"].shape[0],
        rates=tuple(node.ints["strides"][0] for node in ups),
        kernels=tuple(node.ints["kernel_shape"][0] for node in ups),
        block_kernels=tuple(block[0].ints["kernel_shape"][0] for block in first_blocks),
        block_dilations=tuple(tuple(node.ints["dilations"][0] for node in block) for block in first_blocks),
        paired=paired,
        speakers=speakers,
        speaker_width=speaker_width,
    )


def _is_named_conv(node: Node) -> bool:
    return node.op in ("Conv", "ConvTranspose") and len(node.inputs) == 3 and node.inputs[2].endswith(".bias")


def _count(weights: dict[str, Array], prefix: str) -> int:
    """How many numbered modules there are behind a prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})


def random_noise(seed: int, *shape: int) -> Tensor:
    """Normal noise that depends on nothing but the seed, on the CPU."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
