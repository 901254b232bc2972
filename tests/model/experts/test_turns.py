"""Experts in turns beside all of them at once, which is what others run on."""

import pytest
import torch

from dspipe.model.experts import routed
from dspipe.model.experts.routed import Places, sort_by_expert
from dspipe.model.experts.turns import run_turns, run_turns_back
from dspipe.model.products.plain import PLAIN, Weight

N, D, F, E = 40, 24, 12, 5
ROUTES = {
    "any": torch.randint(0, E, (N, 2), generator=torch.Generator().manual_seed(0)),
    "some without tokens": torch.tensor([[3, 1]] * N),
    "one token": torch.tensor([[4, 0]]),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_experts_in_turns_give_the_bits_of_all_at_once(route: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    dispatch, tokens = sort_by_expert(ROUTES[route], E), len(ROUTES[route])
    x, grad = torch.randn(2, tokens, D, generator=generator, dtype=torch.float64).to(dtype)
    gates = torch.rand(2 * tokens, 1, generator=generator, dtype=torch.float64).to(dtype)
    weights = [
        Weight(
            torch.randn(E, *shape, generator=generator, dtype=torch.promote_types(dtype, torch.float32)), None
        )
        for shape in ((2 * F, D), (D, F))
    ]
    places = Places(dispatch.token_M, gates, dispatch.ends_E)
    forward = [run(x, *weights, places, PLAIN) for run in (run_turns, routed.run_together)]
    hidden = forward[0][0]
    backward = [
        run(grad, x, hidden, *weights, places, PLAIN) for run in (run_turns_back, routed.run_together_back)
    ]
    for one, other in [*zip(*forward, strict=True), *zip(*backward, strict=True)]:
        assert one.dtype == other.dtype and torch.equal(one, other)
