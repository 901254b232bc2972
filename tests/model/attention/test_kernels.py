import pytest
import torch

from dspipe.model.attention.kernels import Kernel, choose_kernel, describe_kernel

SHAPES = [(48, 32), (32, 48), (24, 24), (13, 7)]


def random_parts(widths: tuple[int, int], dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    query, value = widths
    return [
        torch.randn(2, 37, 3, width, generator=generator).to(dtype).requires_grad_()
        for width in (query, query, value)
    ]


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("ends", [None, [5, 37, 38, 74]])
def test_every_kernel_of_a_cpu_equals_math(widths: tuple[int, int], ends: list[int] | None) -> None:
    parts, results = random_parts(widths), []
    direction = torch.randn(2, 37, 3, widths[1], generator=torch.Generator().manual_seed(2))
    for name in ("flash", "math"):
        kernel = Kernel(name, -(-max(widths) // 8) * 8)
        if ends is None:
            drawn = kernel.attend(*parts, 0.3)
        else:
            drawn = kernel.attend_apart(*parts, 0.3, torch.tensor(ends))
        assert drawn.shape == parts[2].shape
        results.append([drawn, *torch.autograd.grad(drawn, parts, direction)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)


def test_a_document_apart_draws_what_it_would_draw_alone() -> None:
    parts = random_parts((24, 16))
    kernel = choose_kernel(parts[0].device, parts[0].dtype, (parts[0].shape[-1], parts[2].shape[-1]), True)
    together = kernel.attend_apart(*parts, 0.3, torch.tensor([5, 37, 60, 74]))
    alone = kernel.attend(*(part[1:, 23:] for part in parts), 0.3)
    torch.testing.assert_close(together[1:, 23:], alone)


def test_a_cpu_takes_flash_with_widened_values() -> None:
    query, _, value = random_parts((48, 32))
    kernel = choose_kernel(query.device, query.dtype, (query.shape[-1], value.shape[-1]), False)
    assert describe_kernel(kernel, 48, 32) == "flash 48/32 (values widened to 48)"
    assert choose_kernel(query.device, query.dtype, (query.shape[-1], value.shape[-1]), False) is kernel
    assert describe_kernel(Kernel("cudnn", 192), 192, 128) == "cudnn 192/128"
