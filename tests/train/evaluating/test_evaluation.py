"""What a trained network is worth on held-out rows, held to losses from all logits at once."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dspipe.train.evaluating.evaluator
import dspipe.train.stage
from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer
from dspipe.recipe import Train
from dspipe.shards import Artifact, Counts, open_artifact
from dspipe.train.evaluating.evaluation import Evaluation, evaluate, write_evaluation
from dspipe.train.evaluating.held_out import open_held_out
from dspipe.train.stage import run
from tests.reference import plain_loss
from tests.reference.networks import VOCABULARY, small_model, small_network
from tests.reference.rows import make_held_out, make_table, read_file, write_file, write_rows
from tests.support import make_output, make_workers

BYTES = torch.arange(VOCABULARY) % 5  # of each token; every fifth is a mark
LABELS = [("code", None)] * 3 + [("math", "en")] * 2 + [(None, "no")] * 4


@pytest.fixture
def sequences(tmp_path: Path) -> Artifact:
    folder = tmp_path / "sequences"
    return make_held_out(folder, LABELS, trained=write_rows(folder, rows=10, parts=1))


def judge(
    network: Transformer, sequences: Artifact, size: int = 4, slots: int = 1 << 20, **changes: Any
) -> Evaluation:
    settings = Train(model=network.config, **changes)
    found = evaluate(network, open_held_out(sequences, 16, slots, VOCABULARY), settings, size, BYTES, 7)
    assert found is not None and found.step == 7
    return found


def read_batch(sequences: Artifact) -> PackedBatch:
    tokens, lengths = read_file(sequences.folder / "validation/L16.arrow")
    return PackedBatch.from_lengths(tokens, [np.array(row) for row in lengths])


def test_the_losses_are_those_of_all_logits_at_once(sequences: Artifact) -> None:
    network, batch = small_network(mtp_depth=2), read_batch(sequences)
    found = judge(network, sequences)
    with torch.no_grad():
        output = network(batch)
        by_depth = [
            plain_loss.multi_token_loss(output.hidden_BLD[depth], network.head, batch, depth)
            for depth in (1, 2)
        ]
    assert found.mtp_loss == pytest.approx(float(torch.stack(by_depth).mean()), rel=1e-5)
    sums, targets = Counter[Any](), Counter[Any]()
    for row, label in enumerate(LABELS):
        own, hidden = batch.rows(row, row + 1).targets()[0], output.hidden_BLD[0][row]
        sums[label] += float(plain_loss.sum_cross_entropy(hidden, network.head, own, 1.0).detach())
        targets[label] += int((own >= 0).sum())
    assert found.targets == targets.total() and found.tokens == targets.total() + len(LABELS)
    assert found.loss == pytest.approx(sums.total() / targets.total(), rel=1e-5)
    assert [(one.domain, one.language, one.rows, one.targets) for one in found.domains] == [
        (*label, LABELS.count(label), targets[label]) for label in (LABELS[-1], LABELS[0], LABELS[3])
    ]
    for one in found.domains:
        label = one.domain, one.language
        assert one.loss == pytest.approx(sums[label] / targets[label], rel=1e-5)


def test_bits_per_byte_drafts_and_infilled_rows_are_those_of_a_loop_over_tokens(tmp_path: Path) -> None:
    """Token by token, from all logits at once; rows 1 and 4 are infilled."""
    sequences, network = make_held_out(tmp_path, LABELS, infilled=(1, 4)), small_network(mtp_depth=2)
    with torch.no_grad():
        for parameter in network.parameters():  # so that predictions are not all alike
            parameter.mul_(1.5)
    found, batch = judge(network, sequences), read_batch(sequences)
    with torch.no_grad():
        logits = [network.compute_logits(hidden).log_softmax(-1) for hidden in network(batch).hidden_BLD]
    bits, sizes, infilled, drafts, taken = Counter[str](), Counter[str](), list[float](), [0, 0], [0, 0]
    for row, (domain, _) in enumerate(LABELS):
        tokens, count = batch.tokens_BL[row].tolist(), int(batch.valid_BL[row].sum())
        for place in range(count - 1):
            target = tokens[place + 1]
            nats = -float(logits[0][row, place, target])
            if row in (1, 4):
                infilled.append(nats)
                continue
            if BYTES[target]:
                bits[str(domain)] += nats / np.log(2)
                sizes[str(domain)] += int(BYTES[target])
            standing = True
            for depth in (1, 2):
                if place + 1 + depth < count:
                    chosen = int(logits[0][row, place + depth].argmax())
                    standing = standing and int(logits[depth][row, place].argmax()) == chosen
                    drafts[depth - 1] += 1
                    taken[depth - 1] += standing
    assert found.bits_per_byte == pytest.approx(bits.total() / sizes.total(), rel=1e-5)
    assert found.fim_loss == pytest.approx(np.mean(infilled), rel=1e-5) and found.fim_targets == len(infilled)
    assert found.acceptance == pytest.approx([taken[0] / drafts[0], taken[1] / drafts[1]]) and taken[1] > 0
    assert found.rows == len(LABELS) - 2 and sum(one.rows for one in found.domains) == found.rows
    for one in found.domains:
        assert one.bits_per_byte == pytest.approx(bits[str(one.domain)] / sizes[str(one.domain)], rel=1e-5)


def test_documents_are_apart_where_training_has_them_so(sequences: Artifact) -> None:
    network, apart = small_network(), read_batch(sequences).keep_apart()
    held_out = open_held_out(sequences, 16, 1 << 20, VOCABULARY)
    found = evaluate(network, held_out, Train(model=network.config, attention="document"), 4, BYTES, 7)
    assert found is not None
    assert found.targets == int((apart.targets() >= 0).sum()) < judge(network, sequences).targets
    with torch.no_grad():
        hidden = network(apart).hidden_BLD[0].flatten(0, 1)
        loss = plain_loss.sum_cross_entropy(hidden, network.head, apart.targets().flatten(), 1.0)
    assert found.loss == pytest.approx(float(loss) / found.targets, rel=1e-5)


def test_max_violation_is_over_all_rows_together(sequences: Artifact) -> None:
    network = small_network()
    found = judge(network, sequences)
    with torch.no_grad():
        loads = network(read_batch(sequences)).loads_SE.double()
    expected = (loads.amax(1) / loads.mean(1) - 1).tolist()
    assert found.max_violation_by_layer == pytest.approx(expected)
    assert found.max_violation == pytest.approx(sum(expected) / 3)
    assert found.layers == ["blocks.1.mlp", "blocks.2.mlp", "depths.0.block.mlp"]


def test_the_size_of_batches_changes_no_count_and_hardly_a_digit(sequences: Artifact) -> None:
    network = small_network()
    whole, parts = judge(network, sequences, 100), judge(network, sequences, 1)
    assert whole.max_violation_by_layer == parts.max_violation_by_layer
    assert (whole.tokens, whole.targets) == (parts.tokens, parts.targets)
    assert whole.loss == pytest.approx(parts.loss, rel=1e-5)


def test_evaluation_changes_nothing_and_gives_the_same_twice(sequences: Artifact) -> None:
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert judge(network, sequences) == judge(network, sequences)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_only_as_many_rows_as_asked_for(sequences: Artifact) -> None:
    network = small_network()
    found = judge(network, sequences, slots=16 * 3)
    assert found.rows == 3 and found.tokens == int(read_batch(sequences).valid_BL[[0, 3, 6]].sum())


def test_a_network_without_experts_and_depths_is_evaluated(sequences: Artifact) -> None:
    found = judge(small_network(layers=1, dense_layers=1, mtp_depth=0), sequences)
    assert found.mtp_loss is found.max_violation is None
    assert found.layers == found.max_violation_by_layer == []


def test_bfloat16_is_computed_in_where_training_is(sequences: Artifact) -> None:
    narrow, wide = (judge(small_network(), sequences, dtype=dtype) for dtype in ("bfloat16", "float32"))
    assert narrow.loss != wide.loss and narrow.loss == pytest.approx(wide.loss, rel=0.05)


@pytest.mark.parametrize("lengths", [[], [[]], [[1], []], [[1], [1]]])
def test_rows_without_a_target_are_no_evaluation(lengths: list[list[int]], tmp_path: Path) -> None:
    sequences = make_held_out(tmp_path / "sequences", [("web", "en")] * max(1, len(lengths)))
    table = make_table(np.zeros((len(lengths), 16), np.uint32), lengths)
    for name in ("domain", "language"):
        table = table.append_column(name, [["web"] * len(lengths)])
    write_file(sequences.folder / "validation/L16.arrow", table)
    held_out = open_held_out(sequences, 16, 16 * len(lengths), VOCABULARY)
    found = evaluate(small_network(), held_out, Train(), 4, BYTES, 7)
    write_evaluation(found, tmp_path / "evaluation.json")
    assert json.loads((tmp_path / "evaluation.json").read_text()) == {"tokens": 0}


def test_rows_with_few_tokens_count_what_they_have(tmp_path: Path) -> None:
    sequences = make_held_out(tmp_path / "sequences", [("web", "en")] * 4)
    table = make_table(np.zeros((4, 16), np.uint32), [[], [1], [2], [1, 2]])
    for name in ("domain", "language"):
        table = table.append_column(name, [["web"] * 4])
    write_file(sequences.folder / "validation/L16.arrow", table)
    found = judge(small_network(mtp_depth=2), sequences)
    assert (found.rows, found.tokens, found.targets) == (4, 6, 3)
    assert np.isfinite([found.loss, found.mtp_loss, found.max_violation]).all()


def walk(sequences: Artifact, folder: Path, **changes: Any) -> Artifact:
    tokenizer = make_output(folder / "tokenizer")
    (tokenizer.folder / "tokenizer.json").write_text("{}")
    tokenizer.close([], Counts(0, 0), facts={"vocabulary": VOCABULARY, "model_rows": VOCABULARY})
    settings = Train(steps=3, batch_size=4, seed=1, model=small_model(layers=2), **changes)
    model = make_output(folder / "model")
    run(settings, sequences, open_artifact(tokenizer.folder), model, make_workers(folder))
    return open_artifact(model.folder)


@pytest.fixture(autouse=True)
def any_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dspipe.train.stage, "check_tokenizer", lambda sequences, tokenizer: None)
    monkeypatch.setattr(dspipe.train.evaluating.evaluator, "count_bytes", lambda folder, rows: BYTES)


def test_a_training_ends_with_an_evaluation(sequences: Artifact, tmp_path: Path) -> None:
    model = walk(sequences, tmp_path)
    content = json.loads((model.folder / "evaluation.json").read_text())
    assert content["rows"] == len(LABELS) and content["sequence_length"] == 16
    facts = model.manifest.facts
    assert facts["held_out_loss"] == content["loss"] and facts["held_out_tokens"] == content["tokens"]
    assert facts["held_out_max_violation"] == content["max_violation"]
    assert f"on {content['tokens']:,} held-out tokens, " in facts["line"][-1]
    assert "bits per byte" in facts["line"][-1] and "MaxVio" in facts["line"][-1]
    (line,) = (model.folder / "evaluations.jsonl").read_text().splitlines()
    assert json.loads(line) == content
    assert "evaluation.json" in [part.file for part in model.manifest.parts]


@pytest.mark.parametrize("changes", [{"evaluation_tokens": 0}, {"evaluation_tokens": 15}])
def test_none_where_none_is_asked_for(changes: dict[str, Any], sequences: Artifact, tmp_path: Path) -> None:
    model = walk(sequences, tmp_path, **changes)
    assert json.loads((model.folder / "evaluation.json").read_text()) == {"tokens": 0}
    assert model.manifest.facts["held_out_tokens"] == 0


def test_a_run_killed_while_it_is_evaluated_does_only_that_again(
    sequences: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = walk(sequences, tmp_path / "whole")

    def stop(*inputs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(dspipe.train.evaluating.evaluator, "evaluate", stop)
        walk(sequences, tmp_path / "killed")
    assert not (tmp_path / "killed/model/evaluation.json").exists()
    metrics = (
        tmp_path / "killed/model/metrics.jsonl"
    ).read_bytes()  # with times, which a new step would change
    killed = walk(sequences, tmp_path / "killed")
    assert (killed.folder / "metrics.jsonl").read_bytes() == metrics
    for name in ("evaluation.json", "model.safetensors"):
        assert (killed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
