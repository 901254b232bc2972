"""The settings of a training → what it computes on: device, number format, kernels, memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch

from dspipe.fp8.native import find_obstacle
from dspipe.model.attention.kernels import choose_kernel, describe_kernel
from dspipe.recipe import Train
from dspipe.train.machine.fitting import Machine

ROOM = 0.94  # of a GPU's free memory; the rest is lost between what was taken
THREADS = 24 << 20  # bytes: stacks and buffers of a program that computes


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


def describe_machine(device: torch.device, settings: Train, memory: int | None) -> Machine:
    """What a training may use; memory: bytes that the run may hold, if a limit was given."""
    dtype = choose_dtype(device, settings)
    mode = settings.fp8.mode
    units = mode == "auto" and dtype == torch.bfloat16 and find_obstacle(device) is None
    codes = units or mode in ("emulate", "on")
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Machine("cuda", dtype.itemsize, int(free * ROOM), 0, codes)
    held = read_status("VmRSS") + THREADS
    limit = held + find_available() if memory is None else memory
    return Machine("cpu", dtype.itemsize, limit, held, codes)


def find_available(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may still take, by the system and by the limit of its group.

    What a group has used counts the files that it has read, which the system gives up for whoever asks.
    """
    lines = read_lines(Path("/proc/meminfo"))
    found = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")]
    limit, used, kinds = (read_lines(group / f"memory.{name}") for name in ("max", "current", "stat"))
    if limit and used and limit[0].strip().isdigit():
        files = [int(line.split()[1]) for line in kinds if line.startswith(("active_file", "inactive_file"))]
        found.append(max(0, int(limit[0]) - int(used[0]) + sum(files)))
    return min(found, default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def forget_peak(device: torch.device) -> None:
    """Have peaks count from here."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):  # else it is that of all that the process has done
        Path("/proc/self/clear_refs").write_text("5")


def find_peak(device: torch.device) -> int | None:
    """The most bytes held: by the process, or on the GPU; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    return read_status("VmHWM") or None


def read_status(key: str) -> int:
    """A line of this process's status, in bytes; 0 where the system has none."""
    lines = read_lines(Path("/proc/self/status"))
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(key)), 0)


def read_lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
