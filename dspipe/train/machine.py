"""The settings of a training → what it computes on: device, number format, kernels."""

from __future__ import annotations

import contextlib
import os

import torch

from dspipe.model.attention.kernels import choose_kernel, describe_kernel
from dspipe.recipe import Train


def choose_device(deterministic: bool = True) -> torch.device:
    """The GPU, if there is one, held to kernels that give the same bits twice where that is asked for.

    Attention's gradient is what would differ: its fastest kernel adds up by atomics.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.use_deterministic_algorithms(deterministic)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for to be exact
        # which would also fill all memory that is taken, lest it be read before it is written: here none is
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("cuda")


def choose_dtype(device: torch.device, settings: Train) -> torch.dtype:
    narrow = device.type == "cuda" or settings.fp8.mode in ("emulate", "on")
    bfloat16 = settings.dtype == "bfloat16" or (settings.dtype == "auto" and narrow)
    return torch.bfloat16 if bfloat16 else torch.float32


def choose_precision(device: torch.device, settings: Train) -> contextlib.AbstractContextManager[object]:
    """Autocast to bfloat16, or nothing; weights stay float32 either way."""
    dtype = choose_dtype(device, settings)
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def describe_computation(device: torch.device, settings: Train, fp8: str = "off") -> str:
    """For people: `cpu, 2 threads, float32; attention flash 48/32 (values widened to 48), over rows`."""
    model, dtype, apart = settings.model, choose_dtype(device, settings), settings.attention == "document"
    widths = model.head_width + model.rope_width, model.value_width
    kernel = choose_kernel(device, dtype, widths, apart)
    cpu = f"cpu, {torch.get_num_threads()} threads"
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
    over = "documents" if apart else "rows"
    name = str(dtype).removeprefix("torch.")
    if fp8 != "off":
        name += ", products in FP8" if fp8 == "on" else ", products from FP8 codes"
    return f"{where}, {name}; attention {describe_kernel(kernel, *widths)}, over {over}"
