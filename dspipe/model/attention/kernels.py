"""Attention kernels: turns queries, keys and values into what each token draws, by the fastest kernel that a
machine has for them.

Queries and keys of this network are wider than its values (192 and 128 in DeepSeek-V3), which few kernels
take; for the others values are widened by zeros. `choose_kernel` tries the kernels in their order, once for
each device, type and width, and keeps the first that runs.

    cudnn       Hopper, both widths as they are; its gradient is summed in an order that changes from run to
                run, so that it is left out where torch is told to be deterministic
    flash       widened; deterministic if torch is told so; on an H100 a quarter of cuDNN's speed then, half
                otherwise
    efficient   both widths as they are; deterministic if told so, and four times slower than flash
    math        all scores at once: what is left for float64, or for heads wider than 256

On a CPU flash is six times as fast as math (B 1, H 8, L 1024). Documents apart: on a GPU flash takes the ends
of the documents; on a CPU every document is a call of its own, which costs less than whole rows do.

Legend: B rows, L tokens, N tokens of all rows, H heads, C width of queries and keys, V value width,
D documents.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from dspipe.model.attention.drawn import tell_drawn
from dspipe.recipe import DspipeError

BACKENDS = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
WIDENED = ("flash",)


@dataclass(frozen=True)
class Kernel:
    """One of `BACKENDS`; `width` is that of the values as it sees them."""

    name: str
    width: int

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Causal attention over rows: `query_BLHC`, `key_BLHC`, `value_BLHV` to `drawn_BLHV`."""
        q, k, v = (part.transpose(1, 2) for part in self.widen(query, key, value))
        with sdpa_kernel(BACKENDS[self.name]):
            drawn_BHLV = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        tell_drawn(drawn_BHLV)
        return drawn_BHLV[..., : value.shape[-1]].transpose(1, 2)

    def attend_apart(self, query: Tensor, key: Tensor, value: Tensor, scale: float, ends_D: Tensor) -> Tensor:
        """The same within each document; ends_D: where documents end, counted through the tokens of all
        rows.

        Raises:
            RuntimeError: this kernel cannot, as only flash can on a GPU.
        """
        if query.is_cuda:
            drawn_NHV = attend_by_ends(self.widen(query, key, value), scale, ends_D)
        else:
            drawn_NHV = self.attend_by_turns((query, key, value), scale, ends_D)
        return drawn_NHV[..., : value.shape[-1]].view_as(value)

    def attend_by_turns(self, parts: tuple[Tensor, ...], scale: float, ends_D: Tensor) -> Tensor:
        # Split, not sliced: the gradient of a slice would be as long as all documents together.
        lengths = ends_D.diff(prepend=ends_D.new_zeros(1)).tolist()
        documents = zip(*(torch.split(part.flatten(0, 1), lengths) for part in parts), strict=True)
        return torch.cat([self.attend(q[None], k[None], v[None], scale)[0] for q, k, v in documents])

    def widen(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Zeros behind, which change neither a score nor a drawn value."""
        if self.name not in WIDENED:
            return parts
        return tuple(
            part if part.shape[-1] == self.width else F.pad(part, (0, self.width - part.shape[-1]))
            for part in parts
        )


def attend_by_ends(parts: tuple[Tensor, ...], scale: float, ends_D: Tensor) -> Tensor:
    """Flash attention of a GPU, told where documents begin and end."""
    begins = F.pad(ends_D.int(), (1, 0))
    longest = parts[0].shape[1]  # a bound is enough; the true one would be a wait for the GPU
    drawn_NHC: Tensor = torch.ops.aten._flash_attention_forward(
        *(part.flatten(0, 1) for part in parts),
        begins,
        begins,
        longest,
        longest,
        0.0,
        True,
        False,
        scale=scale,
    )[0]
    tell_drawn(drawn_NHC)
    return drawn_NHC


def choose_kernel(device: torch.device, dtype: torch.dtype, widths: tuple[int, int], apart: bool) -> Kernel:
    """The kernel for queries and values so wide."""
    return probe_kernels(device, dtype, *widths, apart, torch.are_deterministic_algorithms_enabled())


@functools.cache
def probe_kernels(
    device: torch.device, dtype: torch.dtype, query_width: int, value_width: int, apart: bool, exact: bool
) -> Kernel:
    """The first kernel that runs, forward and backward, on a few tokens.

    Raises:
        DspipeError: none does, which is so for documents apart in float32 on a GPU.
    """
    width = -(-max(query_width, value_width) // 8) * 8  # what flash wants of a GPU's half floats
    failure: Exception | None = None
    for name in order_kernels(device, exact, apart):
        kernel = Kernel(name, width)
        try:
            with warnings.catch_warnings(action="ignore"):  # why torch passes over a kernel
                try_kernel(kernel, device, dtype, (query_width, value_width), apart)
        except RuntimeError as error:
            failure = error
        else:
            return kernel
    if apart and device.type == "cuda":
        raise DspipeError(
            f"train.attention: a GPU has documents apart in bfloat16 alone, with heads up to 256 wide, not "
            f'{dtype} and {width}; set train.dtype = "bfloat16", or train.attention = "row"'
        )
    raise DspipeError(f"no kernel for attention in {dtype} on {device}: {failure}")


def order_kernels(device: torch.device, exact: bool, apart: bool) -> list[str]:
    if device.type != "cuda":
        return ["flash", "math"]
    if apart:
        return ["flash"]
    hopper = torch.cuda.get_device_capability(device)[0] >= 9
    return [*(["cudnn"] if hopper and not exact else []), "flash", "efficient", "math"]


def try_kernel(
    kernel: Kernel, device: torch.device, dtype: torch.dtype, widths: tuple[int, int], apart: bool
) -> None:
    query, value = (
        torch.zeros(1, 16, 1, width, device=device, dtype=dtype, requires_grad=True) for width in widths
    )
    ends_D = torch.tensor([7, 16], device=device)
    arguments: tuple[Any, ...] = (query, query, value, 1.0)
    run: Callable[..., Tensor] = kernel.attend
    if apart:
        run, arguments = kernel.attend_apart, (*arguments, ends_D)
    with torch.enable_grad():
        torch.autograd.grad(run(*arguments).sum(), [query, value])


def describe_kernel(kernel: Kernel, query_width: int, value_width: int) -> str:
    """For people: `cudnn 192/128`, `flash 192/128 (values widened to 192)`."""
    widened = kernel.name in WIDENED and kernel.width != value_width
    note = f" (values widened to {kernel.width})" if widened else ""
    return f"{kernel.name} {query_width}/{value_width}{note}"
