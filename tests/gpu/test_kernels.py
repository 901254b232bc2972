"""Attention on a GPU: its kernels equal math in float32, and exact ones give the same bits twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dspipe.model.attention.kernels import Kernel, choose_kernel, order_kernels
from dspipe.train.machine.device import choose_device

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
WIDTHS = [(192, 128), (96, 64), (48, 32), (64, 64)]
ENDS = [100, 700, 701, 1024, 1500, 2048]


@pytest.fixture(params=[True, False], ids=["exact", "any"])
def exact(request: pytest.FixtureRequest) -> Iterator[bool]:
    choose_device()
    torch.use_deterministic_algorithms(bool(request.param))
    yield bool(request.param)
    torch.use_deterministic_algorithms(False)


def random_parts(widths: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator("cuda").manual_seed(1)
    return [
        torch.randn(2, 1024, 4, width, generator=generator, device="cuda").bfloat16().requires_grad_()
        for width in (widths[0], widths[0], widths[1])
    ]


def run(kernel: Kernel, parts: list[Tensor], ends: list[int] | None) -> list[Tensor]:
    query, key, value = parts
    if ends is None:
        drawn = kernel.attend(query, key, value, 0.1)
    else:
        drawn = kernel.attend_apart(query, key, value, 0.1, torch.tensor(ends, device="cuda"))
    generator = torch.Generator("cuda").manual_seed(2)
    direction = torch.randn(drawn.shape, generator=generator, device="cuda").to(drawn.dtype)
    return [drawn, *torch.autograd.grad(drawn, parts, direction)]


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("ends", [None, ENDS], ids=["rows", "documents"])
def test_kernels_of_a_gpu_equal_math_in_float32(
    widths: tuple[int, int], ends: list[int] | None, exact: bool
) -> None:
    parts = random_parts(widths)
    wide = [part.detach().float().cpu().requires_grad_() for part in parts]
    math = Kernel("math", max(widths))
    drawn = math.attend(*wide, 0.1) if ends is None else math.attend_apart(*wide, 0.1, torch.tensor(ends))
    direction = torch.randn(drawn.shape, generator=torch.Generator("cuda").manual_seed(2), device="cuda")
    slow = [drawn, *torch.autograd.grad(drawn, wide, direction.bfloat16().float().cpu())]
    for name in order_kernels(parts[0].device, exact, ends is not None):
        fast = run(Kernel(name, max(widths)), parts, ends)
        for a, b in zip(fast, slow, strict=True):
            assert (a.float().cpu() - b).abs().max() <= 0.02 * b.abs().max(), name
        if exact:
            again = run(Kernel(name, max(widths)), parts, ends)
            assert all(torch.equal(a, b) for a, b in zip(fast, again, strict=True)), name


def test_hopper_takes_cudnn_unless_training_is_to_be_exact(exact: bool) -> None:
    query, _, value = random_parts((192, 128))
    hopper = torch.cuda.get_device_capability()[0] >= 9
    expected = "flash" if exact or not hopper else "cudnn"
    assert (
        choose_kernel(query.device, query.dtype, (query.shape[-1], value.shape[-1]), False).name == expected
    )
    assert choose_kernel(query.device, query.dtype, (query.shape[-1], value.shape[-1]), True).name == "flash"
