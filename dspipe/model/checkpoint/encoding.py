"""A tensor in float32 → what a file holds of it in bfloat16, float32 or FP8, and back to float32.

In FP8 the weights of all linear layers of attention, MLPs and experts are codes and scales; everything else
is bfloat16 there, as in the released weights (the projection of multi-token prediction, `eh_proj`, too). The
gates' biases are float32 in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dspipe.fp8.blocks import count_blocks, dequantize_blocks, quantize_blocks
from dspipe.fp8.formats import E4M3
from dspipe.model.checkpoint.shards import TensorEntry, Weights
from dspipe.recipe import DspipeError

Dtype = Literal["bfloat16", "float32", "fp8"]
BIAS = "e_score_correction_bias"
SCALE = "_scale_inv"  # `X.weight` has its scales in `X.weight_scale_inv`
READABLE = (torch.float32, torch.bfloat16, torch.float16, E4M3)


def is_quantized(name: str) -> bool:
    """Whether a weight, by their name, is FP8 in an FP8 checkpoint."""
    return name.endswith(("_proj.weight", "_proj_with_mqa.weight")) and not name.endswith(".eh_proj.weight")


def list_entries(name: str, shape: tuple[int, ...], dtype: Dtype) -> list[TensorEntry]:
    """What a file will hold of a tensor."""
    if dtype == "fp8" and is_quantized(name):
        scales = TensorEntry(name + SCALE, torch.float32, count_blocks(shape))
        return [TensorEntry(name, E4M3, shape), scales]
    exact = dtype == "float32" or name.endswith(BIAS)
    return [TensorEntry(name, torch.float32 if exact else torch.bfloat16, shape)]


def encode(name: str, tensor: Tensor, dtype: Dtype) -> Iterator[tuple[str, Tensor]]:
    """The same with the numbers."""
    entries = list_entries(name, tuple(tensor.shape), dtype)
    if len(entries) == 1:
        yield name, tensor.to(entries[0].dtype)
        return
    try:
        pair = quantize_blocks(tensor)
    except ValueError as error:
        raise DspipeError(f"{name}: {error}, which FP8 cannot hold; export bfloat16 or float32") from None
    yield from zip((name, name + SCALE), pair, strict=True)


@dataclass(frozen=True)
class DecodedWeights(Mapping[str, Tensor]):
    """Weights from files, in float32, codes multiplied by their scales, which are no tensors of their own."""

    stored: Weights

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.stored[name]
        if tensor.dtype != E4M3:
            return tensor.float()
        return dequantize_blocks(tensor, self.stored[name + SCALE])

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.stored if not name.endswith(SCALE))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def check_encoding(stored: Weights) -> None:
    """Refuse types that are not read, codes without scales, and scales without codes, of all tensors."""
    for name, entry in stored.entries.items():
        where = f"{stored.locate(name)}: {name}"
        if entry.dtype not in READABLE:
            raise DspipeError(f"{where} is {entry.type_name}; bfloat16, float16, float32 and E4M3 are read")
        if name.endswith(SCALE):
            check_scale(stored, name)
        elif entry.dtype == E4M3 and name + SCALE not in stored.entries:
            raise DspipeError(f"{where} is FP8, but there is no {name + SCALE} to multiply it with")


def check_scale(stored: Weights, name: str) -> None:
    where, entry = f"{stored.locate(name)}: {name}", stored.entries[name]
    weight = stored.entries.get(name.removesuffix(SCALE))
    if weight is None:
        raise DspipeError(f"{where} is a scale, but there is no {name.removesuffix(SCALE)} that it is of")
    if weight.dtype != E4M3 or len(weight.shape) != 2:
        raise DspipeError(f"{where} is a scale, but {weight.name} is no matrix in FP8")
    if entry.dtype != torch.float32 or entry.shape != count_blocks(weight.shape):
        wanted = f"float32 {count_blocks(weight.shape)}"
        raise DspipeError(f"{where} is {entry.type_name} {entry.shape} instead of {wanted}")
