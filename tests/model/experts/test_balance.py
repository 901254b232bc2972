"""What a layer reports of its balance, held to the reports' equations, token by token."""

from collections.abc import Callable

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from dspipe.model.experts.balance import count_sent
from dspipe.model.transformer import Block, Transformer
from tests.model.experts.test_layer import GATES, make_layer, random_input
from tests.reference.moe_loop import auxiliary, balance
from tests.reference.networks import random_batch, small_model, small_network


@pytest.mark.parametrize("changes", GATES)
def test_the_balance_terms_equal_the_reports_equations(changes: dict[str, object]) -> None:
    layer, x = make_layer(**changes), random_input(3)
    valid = torch.arange(13) < torch.tensor([[13], [6], [0]])
    fast = layer(x, valid)[1].terms_T
    for term, slow in zip(fast, (balance(layer, x, valid), *auxiliary(layer, x, valid)), strict=True):
        torch.testing.assert_close(term, slow, rtol=1e-5, atol=1e-6)
        gradients = [
            torch.autograd.grad(loss, layer.gate.weight, retain_graph=True)[0] for loss in (term, slow)
        ]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_perfect_balance_has_terms_of_one() -> None:
    layer = make_layer(chosen_experts=8, groups=4, chosen_groups=4)
    with torch.no_grad():
        layer.gate.weight.zero_()
    report = layer(random_input(1), torch.ones(1, 13, dtype=torch.bool))[1]
    torch.testing.assert_close(report.terms_T, torch.ones(4))


def test_the_terms_of_a_row_that_goes_to_one_device_alone() -> None:
    """4 groups of 2 experts; all tokens choose both experts of the first group, with nearly all affinity."""
    layer = make_layer(chosen_experts=2, groups=4, chosen_groups=1, gate="softmax", mtp_depth=0)
    with torch.no_grad():
        layer.gate.weight.zero_()
        layer.gate.weight[:2] = 100.0
    report = layer(torch.ones(1, 5, 21), torch.ones(1, 5, dtype=torch.bool))[1]
    torch.testing.assert_close(report.terms_T, torch.full((4,), 4.0))


@pytest.mark.parametrize("term", [1, 2, 3])
def test_each_of_v2s_losses_alone_spreads_tokens_over_devices(term: int) -> None:
    layer = make_layer(chosen_experts=2, groups=4, chosen_groups=2, gate="softmax", mtp_depth=0)
    x, valid = random_input() + 1, torch.ones(2, 13, dtype=torch.bool)
    with torch.no_grad():
        layer.gate.weight[:2] += 0.05  # of the first device
    sent = []
    for _ in range(60):
        report = layer(x, valid)[1]
        sent.append(report.loads_E.view(4, 2).sum(1).max())
        (gradient,) = torch.autograd.grad(report.terms_T[term], layer.gate.weight)
        with torch.no_grad():
            layer.gate.weight -= 0.1 * gradient
    assert sent[-1] < 0.8 * sent[0]


@pytest.mark.parametrize("lengths", [[0, 0], [1, 0], [13, 1]])
def test_the_terms_of_rows_with_hardly_a_token_are_finite(lengths: list[int]) -> None:
    layer, x = make_layer(groups=4, chosen_groups=2), random_input()
    report = layer(x, torch.arange(13) < torch.tensor(lengths)[:, None])[1]
    (gradient,) = torch.autograd.grad(report.terms_T.sum(), layer.gate.weight)
    assert gradient.isfinite().all() and bool(gradient.any()) == any(lengths)
    assert (report.terms_T >= 0).all() and bool(report.terms_T.all()) == any(lengths)


def test_padding_is_not_counted() -> None:
    layer, x = make_layer(), random_input()
    valid = torch.arange(13) < torch.tensor([[5], [0]])
    report = layer(x, valid)[1]
    alone = layer(x[:1, :5], torch.ones(1, 5, dtype=torch.bool))[1]
    assert report.loads_E.sum() == 5 * 3
    assert torch.equal(report.loads_E, alone.loads_E)
    torch.testing.assert_close(report.terms_T, alone.terms_T)


def test_a_group_counts_once_for_a_token_with_two_experts_in_it() -> None:
    experts, valid = torch.tensor([[0, 1, 6], [5, 4, 7], [2, 3, 0]]), torch.tensor([[True, True, False]])
    config = small_model(groups=4, chosen_groups=2)
    assert count_sent(experts, valid, config).tolist() == [[1, 0, 1, 2]]


@pytest.mark.parametrize("changes", GATES)
def test_blocks_that_are_computed_again_count_once_and_give_the_same_gradients(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = random_batch([[13], [4, 3], [], [1]], 13)
    results = []
    for again in (False, True):
        network = small_network(**changes)
        if again:
            calls = wrap_blocks(network, monkeypatch)
        output = network(batch)
        total = sum(hidden.square().mean() for hidden in output.hidden_BLD) + output.balance_ST.sum()
        total.backward()
        results.append((output, [parameter.grad for parameter in network.parameters()]))
    assert len(calls) == 2 * sum(isinstance(module, Block) for module in network.modules())
    (plain, gradients), (repeated, others) = results
    assert torch.equal(plain.loads_SE, repeated.loads_SE)
    assert torch.equal(plain.balance_ST, repeated.balance_ST)
    for one, other in zip(gradients, others, strict=True):
        assert (one is None) == (other is None) and (one is None or torch.equal(one, other))


def wrap_blocks(network: Transformer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have each block computed again for its gradient; returns a list that grows with each computation."""
    calls: list[str] = []

    def wrap(name: str, forward: Callable[..., object]) -> Callable[..., object]:
        def counted(*inputs: torch.Tensor) -> object:
            calls.append(name)
            return forward(*inputs)

        return lambda *inputs: checkpoint(counted, *inputs, use_reentrant=False)

    for name, module in network.named_modules():
        if isinstance(module, Block):
            monkeypatch.setattr(module, "forward", wrap(name, module.forward))
    return calls
