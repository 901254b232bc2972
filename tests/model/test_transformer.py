from typing import Literal

import pytest
import torch

from dspipe.batch import PackedBatch
from dspipe.model.transformer import build_transformer
from dspipe.recipe import Train
from dspipe.train.loss import compute_losses, count_targets
from dspipe.train.schedule.course import Weights
from dspipe.train.step import accumulate_gradient
from tests.reference.networks import VOCABULARY, random_batch, small_model, small_network


def test_weights_depend_on_the_seed_and_nothing_else() -> None:
    first = build_transformer(small_model(), VOCABULARY, 7).state_dict()
    torch.manual_seed(123)
    torch.randn(1000)
    again, other = (build_transformer(small_model(), VOCABULARY, seed).state_dict() for seed in (7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embedding"], other["embedding"])


def test_matrices_have_the_configured_deviation_and_norms_are_one() -> None:
    network = build_transformer(small_model(initial_deviation=0.006), VOCABULARY, 1)
    values = torch.cat([p.detach().flatten() for p in network.parameters() if p.ndim > 1])
    assert abs(values.std() - 0.006) < 1e-4
    assert all((p == 1).all() for p in network.parameters() if p.ndim == 1)


def test_depths_report_their_loads_after_the_blocks() -> None:
    network = small_network(mtp_depth=2)
    names = list(network.sparse_layers)
    assert names == ["blocks.1.mlp", "blocks.2.mlp", "depths.0.block.mlp", "depths.1.block.mlp"]
    output = network(random_batch([[4, 6], [3], []], 10))
    assert output.loads_SE.sum(1).tolist() == [13 * 3, 13 * 3, (9 + 2) * 3, (8 + 1) * 3]
    assert len(output.hidden_BLD) == 3


def test_depth_one_sees_the_next_token_and_no_later_one() -> None:
    network = small_network()
    batch = random_batch([[10]], 10)
    tokens = batch.tokens_BL.clone()
    tokens[0, 6] = (tokens[0, 6] + 1) % VOCABULARY
    before, after = network(batch), network(PackedBatch(tokens, batch.document_BL))
    same = [
        torch.isclose(a, b, atol=1e-4).all(-1)[0].tolist()
        for a, b in zip(before.hidden_BLD, after.hidden_BLD, strict=True)
    ]
    assert same[0] == [True] * 6 + [False] * 4
    assert same[1] == [True] * 5 + [False] * 5


def test_depth_one_is_two_norms_a_projection_of_embedding_then_hidden_and_a_block() -> None:
    network, batch = small_network(layers=1, dense_layers=1), random_batch([[7]], 7)
    captured: list[torch.Tensor] = []
    network.norm.register_forward_pre_hook(lambda module, inputs: captured.append(inputs[0]))
    network.depths[0].block.register_forward_pre_hook(lambda module, inputs: captured.append(inputs[0]))
    network(batch)
    hidden, entered = captured  # the hidden state before the final norm
    depth = network.depths[0]
    embedded = network.embedding[batch.tokens_BL[:, 1:]]
    joined = torch.cat([depth.embedding_norm(embedded), depth.hidden_norm(hidden[:, :-1])], -1)
    torch.testing.assert_close(entered[:, :-1], joined @ depth.projection.weight.T)


@pytest.mark.parametrize("mtp_input", ["block", "norm"])
def test_depth_one_receives_what_the_setting_says(mtp_input: Literal["block", "norm"]) -> None:
    network, batch = small_network(mtp_input=mtp_input, mtp_depth=2), random_batch([[7]], 7)
    received: list[torch.Tensor] = []
    for depth in network.depths:
        depth.hidden_norm.register_forward_pre_hook(lambda module, inputs: received.append(inputs[0]))
    last: list[torch.Tensor] = []
    for block in (network.blocks[-1], network.depths[0].block):
        block.register_forward_hook(lambda module, inputs, outputs: last.append(outputs[0]))
    network(batch)
    first, second = received
    assert torch.equal(first, network.norm(last[0]) if mtp_input == "norm" else last[0])
    assert torch.equal(second, last[1])


def test_documents_apart_are_what_they_are_in_rows_of_their_own() -> None:
    network = small_network(mtp_depth=2)
    packed = random_batch([[5, 1, 6], [12]], 12)
    rows = [packed.tokens_BL[0, :5], packed.tokens_BL[0, 5:6], packed.tokens_BL[0, 6:], packed.tokens_BL[1]]
    alone = [PackedBatch(row[None], torch.zeros_like(row)[None]) for row in rows]
    weights, apart = Weights(0.0, 0.3), packed.keep_apart()
    counts = count_targets(apart)
    assert counts.targets == sum(count_targets(batch).targets for batch in alone) == 20
    together = compute_losses(network(apart), network.head, apart, counts, weights)
    outputs = [network(batch) for batch in alone]
    parts = [
        compute_losses(output, network.head, batch, counts, weights)
        for output, batch in zip(outputs, alone, strict=True)
    ]
    torch.testing.assert_close(together.main, torch.stack([part.main for part in parts]).sum())
    depths = [part.mtp for part in parts if part.mtp is not None]
    torch.testing.assert_close(together.mtp, torch.stack(depths).sum())
    assert torch.equal(network(apart).loads_SE, sum(output.loads_SE for output in outputs))
    in_a_row = compute_losses(network(packed), network.head, packed, counts, weights)
    assert not torch.allclose(together.main, in_a_row.main)


def test_a_step_gives_the_same_bits_twice_on_two_threads() -> None:
    network, batch = small_network(mtp_depth=1), random_batch([[64, 64], [100]], 128)
    torch.set_num_threads(2)
    gradients = []
    for _ in range(2):
        network.zero_grad()
        accumulate_gradient(network, batch, Train(model=network.config), Weights(0.0, 0.3))
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_network_without_sparse_layers_reports_none() -> None:
    output = small_network(layers=2, dense_layers=2, mtp_depth=0)(random_batch([[5]], 5))
    assert output.loads_SE.shape == (0, 8)
    assert output.balance_ST.shape == (0, 4)
