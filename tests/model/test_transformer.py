import torch

from dspipe.batch import PackedBatch
from dspipe.model.transformer import build_transformer
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


def test_a_network_without_sparse_layers_reports_none() -> None:
    output = small_network(layers=2, dense_layers=2, mtp_depth=0)(random_batch([[5]], 5))
    assert output.loads_SE.shape == (0, 8)
    assert output.balance_S.shape == (0,)
