"""A device and a number format → the operations a second that it can do at most, to hold a training to.

Of GPUs what their makers publish for dense products in bfloat16 with float32 sums; of a CPU what a large
product is seen to take, since nobody publishes that.
"""

from __future__ import annotations

import time

import torch

TERA = 10**12
# Published, without sparsity: the first name that is a part of the device's own.
GPUS = {
    "GB200": 2500, "B200": 2250, "H200": 989, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "H800": 989,
    "GH200": 989, "A100": 312, "A800": 312, "L40S": 362, "L40": 181, "L4": 121, "A10G": 70, "A10": 125,
    "RTX 5090": 209, "RTX 4090": 165, "RTX 3090": 71, "V100": 125, "T4": 65,
}  # fmt: skip
SIDE, ROUNDS = 1024, 5


def find_rate(device: torch.device, dtype: torch.dtype) -> float | None:
    """Operations a second; None where it is not known."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        found = next((rate for part, rate in GPUS.items() if part in name), None)
        return None if found is None or dtype == torch.float32 else found * TERA
    a, b = torch.ones(2, SIDE, SIDE, dtype=dtype)
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - started)
    return 2 * SIDE**3 / best
