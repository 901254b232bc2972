"""A mixture has the shares that were asked for, to one document, or is refused with what is short."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from dspipe.mix.solver import solve
from dspipe.mix.stage import run
from dspipe.recipe import Mix, RecipeError, Tokenizer
from dspipe.schema import DISTINCT, MIXTURE
from dspipe.shards import Artifact, open_artifact, read_batches
from tests.support import document, make_artifact, make_output, make_workers, read_rows


def make_distinct(folder: Path, parts: int = 2, each: int = 60) -> Artifact:
    random_ = random.Random(1)
    rows = []
    for domain, language in (("web", "en"), ("web", "zh"), ("web", "no"), ("code", "und"), ("math", "en")):
        for number in range(each):
            text = f"{domain} {language} {number} " + "x" * random_.randint(20, 400)
            rows.append({**document(text, domain=domain, language=language), "cluster": "c"})
    random_.shuffle(rows)
    return make_artifact(folder, [rows[i::parts] for i in range(parts)], DISTINCT)


def mix(folder: Path, settings: Mix, parts: int = 2, workers: int = 1) -> Artifact:
    distinct = make_distinct(folder / "distinct", parts)
    run(settings, distinct, make_output(folder / "mixture"), make_workers(folder, workers))
    return open_artifact(folder / "mixture")


def bytes_by_cell(rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        cell = (row["domain"], row["language"] if row["domain"] == "web" else "")
        sums[cell] = sums.get(cell, 0) + len(row["text"].encode())
    return sums


def test_without_shares_every_document_comes_once_in_another_order(tmp_path: Path) -> None:
    artifact = mix(tmp_path, Mix(seed=1))
    rows, before = read_rows(artifact), read_rows(open_artifact(tmp_path / "distinct"))
    assert sorted(row["id"] for row in rows) == sorted(row["id"] for row in before)
    assert [row["id"] for row in rows] != [row["id"] for row in before]
    assert all(row["draw"] == 0 for row in rows)


def test_shares_are_met_within_one_document_a_cell(tmp_path: Path) -> None:
    shares = {"web": 0.5, "code": 0.3, "math": 0.2}
    artifact = mix(tmp_path, Mix(bytes=20_000, domains=shares, languages={"en": 0.75, "zh": 0.25}, seed=1))
    got = bytes_by_cell(read_rows(artifact))
    asked = {("web", "en"): 7500, ("web", "zh"): 2500, ("code", ""): 6000, ("math", ""): 4000}
    assert got.keys() == asked.keys()
    assert all(asked[cell] - 450 < got[cell] <= asked[cell] for cell in asked)
    assert artifact.manifest.counts.dropped["not-in-mix"] == 60
    assert artifact.manifest.counts.reconcile()


def test_repeats_are_whole_epochs_and_then_a_part_of_one(tmp_path: Path) -> None:
    settings = Mix(bytes=60_000, max_epochs=8.0, domains={"math": 1.0}, seed=1)
    rows = read_rows(mix(tmp_path, settings))
    draws: dict[str, list[int]] = {}
    for row in rows:
        draws.setdefault(row["id"], []).append(row["draw"])
    counts = {len(numbers) for numbers in draws.values()}
    assert len(draws) == 60 and len(counts) == 2 and max(counts) - min(counts) == 1
    assert all(sorted(numbers) == list(range(len(numbers))) for numbers in draws.values())


def test_a_larger_share_only_adds_rows(tmp_path: Path) -> None:
    small = read_rows(mix(tmp_path / "small", Mix(bytes=3000, domains={"code": 1.0}, seed=1)))
    large = read_rows(mix(tmp_path / "large", Mix(bytes=9000, domains={"code": 1.0}, seed=1)))
    assert {row["id"] for row in small} < {row["id"] for row in large}


def test_what_cannot_be_met_is_refused_with_the_cell_that_is_short_and_the_nearest_mix() -> None:
    settings = Mix(bytes=1000, domains={"web": 0.5, "code": 0.5})
    available = {("web", "en"): 5000, ("code", ""): 300}
    with pytest.raises(RecipeError) as refusal:
        solve(settings, available)
    message = str(refusal.value)
    assert "mix.bytes = 600" in message and "max_epochs 1" in message
    assert [line.split()[:4] for line in message.splitlines() if line.strip().startswith("code")] == [
        ["code", "0.5000", "500", "300"]
    ]
    solve(Mix(bytes=600, domains=settings.domains), available)
    solve(Mix(bytes=1000, domains=settings.domains, max_epochs=2.0), available)


def test_a_share_of_something_absent_is_refused() -> None:
    with pytest.raises(RecipeError, match="nothing there"):
        solve(Mix(domains={"web": 0.5, "law": 0.5}), {("web", "en"): 5000})


def test_temperature_spreads_the_rest_over_the_languages_not_named() -> None:
    available = {("web", "en"): 8000, ("web", "zh"): 4000, ("web", "no"): 1000}
    grants = {g.cell[1]: g.share for g in solve(Mix(languages={"en": 0.4}, temperature=2.0), available)}
    assert grants["en"] == 0.4
    assert grants["zh"] / grants["no"] == pytest.approx(2.0)  # the root of 4
    assert sum(grants.values()) == pytest.approx(1.0)


def test_a_domain_that_cannot_take_the_rest_of_its_share_is_refused() -> None:
    available = {("web", "en"): 5000, ("web", "fr"): 5000, ("books", "en"): 5000}
    with pytest.raises(RecipeError, match="nothing there"):
        solve(
            Mix(bytes=1000, domains={"web": 0.5, "books": 0.5}, languages={"en": 0.5}, temperature=1.5),
            available,
        )


def test_small_temperatures_epochs_and_budgets_end_well(tmp_path: Path) -> None:
    available = {("web", "en"): 8000, ("web", "zh"): 4000}
    cold = {grant.cell[1]: grant.share for grant in solve(Mix(temperature=0.01), available)}
    assert cold["en"] == pytest.approx(1.0)
    assert sum(grant.asked for grant in solve(Mix(max_epochs=0.5), available)) == pytest.approx(6000)
    with pytest.raises(RecipeError, match="no document is small enough"):
        mix(tmp_path, Mix(bytes=10, seed=1))


def test_a_budget_in_tokens_is_counted_with_the_named_tokenizer(tmp_path: Path) -> None:
    from dspipe.bpe.encoder import Encoder
    from dspipe.tokenizer.stage import run as train

    distinct = make_distinct(tmp_path / "distinct")
    mixture = make_artifact(tmp_path / "all", [[{**row, "draw": 0} for row in read_rows(distinct)]], MIXTURE)
    train(
        Tokenizer(vocab_size=300), mixture, make_output(tmp_path / "tokenizer"), make_workers(tmp_path / "t")
    )
    settings = Mix(tokens=2000, tokenizer=str(tmp_path / "tokenizer"), seed=1)
    run(settings, distinct, make_output(tmp_path / "mixture"), make_workers(tmp_path))
    encoder = Encoder(tmp_path / "tokenizer" / "tokenizer.json")
    files = open_artifact(tmp_path / "mixture").files
    total = sum(int(encoder.count(batch["text"]).sum()) for file in files for batch in read_batches(file))
    assert 1900 < total <= 2000


def test_the_bytes_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    settings = Mix(bytes=30_000, max_epochs=3.0, seed=4)
    digests = []
    for workers in (1, 3):
        artifact = mix(tmp_path / str(workers), settings, parts=3, workers=workers)
        digests.append([part.xxh3 for part in artifact.manifest.parts])
    assert digests[0] == digests[1]
