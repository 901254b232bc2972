"""A mixture has the shares that were asked for, to one document, in an order that only the seed decides."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dspipe.mix import shuffle
from dspipe.mix.stage import run
from dspipe.recipe import Epochs, Mix, RecipeError, Tokenizer
from dspipe.schema import DISTINCT, MIXTURE
from dspipe.shards import Artifact, Journal, open_artifact, read_batches
from dspipe.workers import Pool, Workers
from tests.support import document, make_artifact, make_output, make_workers, read_rows

CELLS = (("web", "en"), ("web", "zh"), ("web", "no"), ("code", "und"), ("math", "en"))
QUALITIES = (None, 0.0, -1.0, 0.5, 1.0, 2.0, 4.0, float("nan"), float("inf"))


def make_distinct(folder: Path, parts: int = 2, each: int = 60) -> Artifact:
    random_ = random.Random(1)
    rows = []
    for domain, language in CELLS:
        for number in range(each):
            text = f"{domain} {language} {number} " + "x" * random_.randint(20, 400)
            columns = {"domain": domain, "language": language, "source": random_.choice(("books", "crawl"))}
            quality = random_.choice(QUALITIES)
            rows.append(
                {**document(text, **columns), "cluster": "c", "quality": quality, "url": "u" * number}
            )
    random_.shuffle(rows)
    return make_artifact(folder, [rows[i::parts] for i in range(parts)], DISTINCT)


def mix(folder: Path, settings: Mix, parts: int = 2, workers: int = 1) -> Artifact:
    distinct = make_distinct(folder / "distinct", parts)
    run(settings, distinct, make_output(folder / "mixture"), make_workers(folder, workers))
    return open_artifact(folder / "mixture")


def cell_of(row: dict[str, Any]) -> tuple[str, str]:
    return (row["domain"], row["language"] if row["domain"] == "web" else "")


def bytes_by_cell(rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        sums[cell_of(row)] = sums.get(cell_of(row), 0) + len(row["text"].encode())
    return sums


def name_draws(rows: list[dict[str, Any]], domain: str | None = None) -> list[tuple[str, int]]:
    return [(row["id"], row["draw"]) for row in rows if domain in (None, row["domain"])]


def test_without_shares_every_document_comes_once_in_another_order(tmp_path: Path) -> None:
    artifact = mix(tmp_path, Mix(seed=1))
    rows, before = read_rows(artifact), read_rows(open_artifact(tmp_path / "distinct"))
    assert sorted(row["id"] for row in rows) == sorted(row["id"] for row in before)
    assert [row["id"] for row in rows] != [row["id"] for row in before]
    assert all(row["draw"] == 0 for row in rows)
    by_id = {row["id"]: row for row in before}
    assert all(str({**by_id[row["id"]], "draw": 0}) == str(row) for row in rows)  # NaN is not equal to itself


def test_shares_are_met_within_one_document_a_cell(tmp_path: Path) -> None:
    shares = {"web": 0.5, "code": 0.3, "math": 0.2}
    artifact = mix(tmp_path, Mix(bytes=20_000, domains=shares, languages={"en": 0.75, "zh": 0.25}, seed=1))
    got = bytes_by_cell(read_rows(artifact))
    asked = {("web", "en"): 7500, ("web", "zh"): 2500, ("code", ""): 6000, ("math", ""): 4000}
    assert got.keys() == asked.keys()
    assert all(asked[cell] - 450 < got[cell] <= asked[cell] for cell in asked)
    assert artifact.manifest.counts.dropped["not-in-mix"] == 60
    assert artifact.manifest.counts.reconcile()


def test_facts_say_what_was_asked_and_got_and_what_is_scarce(tmp_path: Path) -> None:
    shares = {"web": 0.1, "math": 0.9}
    artifact = mix(tmp_path, Mix(bytes=30_000, max_epochs=3, domains=shares, languages={"en": 1.0}, seed=1))
    got, facts = bytes_by_cell(read_rows(artifact)), artifact.manifest.facts
    there = bytes_by_cell(read_rows(open_artifact(tmp_path / "distinct")))
    assert {name: cell["asked"] for name, cell in facts["cells"].items()} == {"web/en": 0.1, "math": 0.9}
    for name, cell in facts["cells"].items():
        known = ("math", "") if name == "math" else ("web", "en")
        assert cell["bytes"] == got[known] and cell["available"] == there[known]
        assert cell["epochs"] == round(got[known] / there[known], 4) and cell["most_epochs"] == 3.0
        assert cell["got"] == pytest.approx(cell["asked"], abs=0.02)
    shown, scarce = facts["line"]
    assert shown.startswith(f"{sum(got.values()):,} bytes: math ") and "(asked 90.0)" in shown
    epochs = facts["cells"]["math"]["epochs"]
    assert scarce.startswith(f"scarcest math {epochs:.2f} of 3.00, web/en ")


def test_repeats_are_whole_epochs_and_then_a_part_of_one(tmp_path: Path) -> None:
    settings = Mix(bytes=60_000, max_epochs=8.0, domains={"math": 1.0}, seed=1)
    artifact = mix(tmp_path, settings)
    draws: dict[str, list[int]] = {}
    for row in read_rows(artifact):
        draws.setdefault(row["id"], []).append(row["draw"])
    counts = {len(numbers) for numbers in draws.values()}
    assert len(draws) == 60 and len(counts) == 2 and max(counts) - min(counts) == 1
    assert all(sorted(numbers) == list(range(len(numbers))) for numbers in draws.values())
    assert artifact.manifest.counts.added == artifact.rows - 60 and artifact.manifest.counts.reconcile()


def test_documents_of_a_cell_are_repeated_as_often_as_their_source_allows(tmp_path: Path) -> None:
    epochs = Epochs(default=1.0, sources={"books": 5.0}, languages={"no": 2.0})
    there = bytes_by_cell(make_and_read(tmp_path / "there"))["web", "en"]
    settings = Mix(
        bytes=int(2.9 * there), max_epochs=epochs, domains={"web": 1.0}, languages={"en": 1.0}, seed=1
    )
    rows = read_rows(mix(tmp_path, settings))
    counts = {
        source: Counter(row["id"] for row in rows if row["source"] == source) for source in ("books", "crawl")
    }
    assert max(counts["books"].values()) >= 4 and set(counts["crawl"].values()) == {1}
    assert int(2.9 * there) - 450 < bytes_by_cell(rows)["web", "en"] <= int(2.9 * there)


def make_and_read(folder: Path) -> list[dict[str, Any]]:
    return read_rows(make_distinct(folder))


def test_a_cap_below_one_keeps_a_part_of_the_documents_for_any_budget(tmp_path: Path) -> None:
    settings = Mix(max_epochs=Epochs(domains={"code": 0.5}), seed=1)
    rows = read_rows(mix(tmp_path, settings))
    counts = Counter(row["domain"] for row in rows)
    assert counts["math"] == 60 and counts["web"] == 180 and 15 < counts["code"] < 45
    artifact = mix(tmp_path / "all", Mix(max_epochs=settings.max_epochs, domains={"code": 1.0}, seed=1))
    assert set(name_draws(read_rows(artifact))) == set(name_draws(rows, "code"))
    assert artifact.rows < 45 and artifact.manifest.counts.dropped["over-budget"] == 60 - artifact.rows


SETTINGS: list[dict[str, Any]] = [
    {"max_epochs": 4.0},
    {"max_epochs": Epochs(default=3.5, sources={"crawl": 2.25}), "quality_power": 1.0},
    {"max_epochs": 6.0, "quality_power": 0.5},
]


@pytest.mark.parametrize("further", SETTINGS)
def test_a_larger_budget_only_adds_rows_and_keeps_their_order(
    tmp_path: Path, further: dict[str, Any]
) -> None:
    before: list[tuple[str, int]] = []
    for size in (1500, 3000, 9000, 20_000):
        artifact = mix(tmp_path / str(size), Mix(bytes=size, domains={"code": 1.0}, seed=1, **further))
        rows = name_draws(read_rows(artifact))
        kept = set(before)
        assert [row for row in rows if row in kept] == before and len(rows) > len(before)
        before = rows


def test_a_larger_share_changes_nothing_in_other_cells_but_their_number(tmp_path: Path) -> None:
    rows = []
    for code in (0.1, 0.4):
        shares = {"web": 0.5, "code": code, "math": 0.5 - code}
        settings = Mix(bytes=12_000, domains=shares, max_epochs=3.0, quality_power=1.0, seed=1)
        rows.append(read_rows(mix(tmp_path / str(code), settings)))
    assert name_draws(rows[0], "web") == name_draws(rows[1], "web")
    math = [name_draws(each, "math") for each in rows]
    assert [row for row in math[0] if row in set(math[1])] == math[1] and len(math[1]) < len(math[0])


def test_the_better_are_drawn_more_often(tmp_path: Path) -> None:
    settings = Mix(bytes=200_000, max_epochs=500.0, quality_power=1.0, domains={"math": 1.0}, seed=1)
    artifact = mix(tmp_path, settings)
    rows = read_rows(artifact)
    counts: dict[str, list[int]] = {}
    drawn = Counter(row["id"] for row in rows)
    for row in make_and_read(tmp_path / "again"):
        if row["domain"] == "math":
            counts.setdefault(str(row["quality"]), []).append(drawn[row["id"]])
    half, one, two, four = (counts[str(quality)] for quality in (0.5, 1.0, 2.0, 4.0))
    unit = sum(four) / len(four) / 4
    assert max(map(abs, (each - quality * unit for each, quality in
                         zip((*half, *one, *two), [0.5] * len(half) + [1.0] * len(one) + [2.0] * len(two),
                             strict=True)))) <= 1.5  # fmt: skip
    assert set(counts["0.0"]) == set(counts["-1.0"]) == {0}  # come when all that is better is used up
    typical = (len(half) * -1 + len(two) * 1 + len(four) * 2) / (len(half) + len(one) + len(two) + len(four))
    unrated = counts["None"] + counts["nan"] + counts["inf"]
    assert all(abs(each - 2**typical * unit) <= 1.5 for each in unrated)
    assert (
        artifact.manifest.facts["quality"]["unrated"]
        > artifact.manifest.facts["quality"]["not_above_zero"]
        > 0
    )


def test_without_a_budget_the_worst_come_too(tmp_path: Path) -> None:
    assert mix(tmp_path, Mix(quality_power=2.0, max_epochs=9.0, seed=1)).rows == 300


def test_weights_without_a_quality_are_refused(tmp_path: Path) -> None:
    rows = [
        {**document(f"text {number}", quality=0.0 if number % 2 else None), "cluster": "c"}
        for number in range(9)
    ]
    distinct = make_artifact(tmp_path / "distinct", [rows], DISTINCT)
    with pytest.raises(RecipeError, match=r"mix.quality_power: no document has a quality above zero; name"):
        run(Mix(quality_power=1.0), distinct, make_output(tmp_path / "mixture"), make_workers(tmp_path))


def test_what_cannot_be_met_is_refused_before_text_is_moved(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"the shares cannot be met; ask for mix\.bytes = \d+, "):
        mix(tmp_path, Mix(bytes=10**6, seed=1))
    assert not list((tmp_path / "mixture").iterdir())
    with pytest.raises(RecipeError, match="no document is small enough"):
        mix(tmp_path, Mix(bytes=10, seed=1))


def test_a_budget_in_tokens_is_counted_with_the_named_tokenizer(tmp_path: Path) -> None:
    from dspipe.bpe.encoding.encoder import Encoder
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


BUSY = Mix(
    bytes=30_000, max_epochs=Epochs(default=3.0, sources={"books": 1.5}), quality_power=0.7, seed=4,
    domains={"web": 0.6, "code": 0.4}, languages={"en": 0.5}, temperature=2.0,
)  # fmt: skip


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several runs in a spill, several parts in a mixture."""
    for name, size in (("SMALLEST_PART", 1000), ("BYTES_IN_RUN", 4000)):
        monkeypatch.setattr(shuffle, name, size)


def list_digests(artifact: Artifact) -> list[tuple[str, str]]:
    return [(part.file, part.xxh3) for part in artifact.manifest.parts]


def test_the_bytes_are_the_same_for_any_workers_and_any_parts_of_the_input(tmp_path: Path) -> None:
    cases = [(1, 3), (3, 3), (2, 7), (1, 1)]
    artifacts = [mix(tmp_path / f"{w}-{p}", BUSY, parts=p, workers=w) for w, p in cases]
    assert len({str(list_digests(artifact)) for artifact in artifacts}) == 1


@pytest.mark.usefixtures("small_parts")
def test_the_order_of_many_small_parts_is_that_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [mix(tmp_path / str(parts), BUSY, parts=parts) for parts in (1, 5)]
    assert list_digests(small[0]) == list_digests(small[1]) and len(small[0].files) == 8
    monkeypatch.undo()
    large = mix(tmp_path / "large", BUSY)
    assert len(large.files) == 1 and name_draws(read_rows(large)) == name_draws(read_rows(small[0]))


class Interrupting(Journal):
    """Fails instead of remembering the n-th task."""

    left = 0

    def save(self, key: str, record: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        super().save(key, record)


@pytest.mark.usefixtures("small_parts")
def test_an_interrupted_mix_goes_on_in_another_place_to_the_same_bytes(tmp_path: Path) -> None:
    whole = mix(tmp_path / "whole", BUSY, parts=3)
    run_folder, times = tmp_path / "0", 0
    make_distinct(run_folder / "distinct", 3)
    while True:
        journal = Interrupting(run_folder / ".progress" / "mix")
        journal.left = 2
        output = make_output(run_folder / "mixture")
        try:
            run(BUSY, open_artifact(run_folder / "distinct"), output, Workers(Pool(1), journal))
            break
        except KeyboardInterrupt:
            times += 1
            run_folder = run_folder.rename(tmp_path / str(times))
    assert times > 5 and list_digests(open_artifact(run_folder / "mixture")) == list_digests(whole)


def test_a_mixture_is_divided_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: Sequence[int] = (1, 256 << 10, 1 << 20, 2 << 20, 512 << 20, 1 << 40)
    assert [shuffle.count_parts(size) for size in sizes] == [1, 1, 4, 8, 8, 16384]
