import pytest
import torch
import torch.nn.functional as F

from dspipe.model.norm import Norm


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_norm_and_its_gradient_equal_torchs(scale: float) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 11, 21, generator=generator, dtype=torch.float64) * scale
    x[0, 0] = 0
    norm = Norm(21, 1e-6).double()
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=generator)
    direction = torch.randn(3, 11, 21, generator=generator, dtype=torch.float64)
    x.requires_grad_()
    results = []
    for y in (norm(x), F.rms_norm(x, (21,), norm.weight, 1e-6)):
        results.append([y, *torch.autograd.grad(y, [x, norm.weight], direction)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_bfloat16_is_normed_in_float32() -> None:
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(1)).bfloat16()
    y = Norm(64, 1e-6)(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, F.rms_norm(x.float(), (64,), eps=1e-6))
