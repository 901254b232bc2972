"""`dspipe bench pack`: lengths, rows and rates of a small run, and what it makes of them."""

from __future__ import annotations

import json
import random
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dspipe.bench import Options, fitting, lengths, loading, pack, packing
from dspipe.bench import rows as rows_
from dspipe.bench.documents import weigh
from dspipe.bench.yardstick import FOLDER
from dspipe.recipe import DspipeError, Pack, Tokenizer
from dspipe.schema import DOCUMENTS, MIXTURE, sequences
from dspipe.shards import Counts, open_artifact, record_file
from tests.support import document, make_artifact, make_output

TELLS = """
import json, pathlib, sys
import pyarrow.parquet as pq
texts = [pq.read_table(file)["text"].to_pylist() for file in sorted(pathlib.Path(sys.argv[1]).iterdir())]
print(json.dumps({"version": "1.0", "versions": {"told": "1.0"}, "start": 0.5}), flush=True)
for line in sys.stdin:
    pathlib.Path(line.strip()).mkdir()
    told = {"seconds": 8.5, "tokenizing": 6.5, "merging": 2.0, "tokens": len(sum(texts, [])), "bytes": 4}
    print(json.dumps(told), flush=True)
"""


def make_texts(count: int) -> list[str]:
    chance = random.Random(count)
    words = ["alpha", "beta", "gamma", "delta", "one", "two", "(three)", "x=4;\n"]
    return [" ".join(chance.choices(words, k=int(chance.lognormvariate(3, 1)) + 1)) for _ in range(count)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pack,
        "SETTINGS",
        Tokenizer(vocab_size=400, added=["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"]),
    )
    monkeypatch.setattr(pack, "SAMPLED", 2000)
    monkeypatch.setattr(rows_, "TOKENS_IN_PART", 1 << 12)
    for name, value in {
        "ROWS": 1000, "ROW_LENGTH": 64, "BATCH": 5, "TOKENS": 1 << 14, "TOKENS_IN_BATCH": 1 << 10,
        "ROW_LENGTHS": (64,), "STEPS": 4, "WARM": 2, "TRAINED_ROWS": 2, "TRAINED_LENGTH": 16,
    }.items():  # fmt: skip
        monkeypatch.setattr(loading, name, value)
    monkeypatch.setattr(fitting, "ROW_LENGTHS", (64, 256))
    monkeypatch.setattr(fitting, "WINDOWS", (100, 1000))
    monkeypatch.setattr(packing, "PACKAGES", ("no_such_package",))
    monkeypatch.setattr(packing, "SETTINGS", Pack(sequence_length=64, validation=0.0))


def test_a_run_has_every_figure(tmp_path: Path, small: None) -> None:
    rows = [document(text, str(number)) for number, text in enumerate(make_texts(200))]
    data = make_artifact(tmp_path / "documents", [rows[::2], rows[1::2]], DOCUMENTS)
    said: list[str] = []
    figures = pack.run(Options(data=str(data.folder), repeat=1, workers=1), said.append)
    assert str(tmp_path) not in json.dumps(figures, default=str)
    assert figures["data"]["documents"] == 200
    assert figures["tokenizer"]["origin"] == "trained on the same documents"
    for found in figures["fitting"].values():
        assert set(found) == {"L64", "L256"}
        for one in found.values():
            assert one["best-fit"]["cut_of_those_that_fit"] == 0 <= one["best-fit"]["more_than_ideal"]
            assert one["concatenate"]["more_than_ideal"] == 0 < one["concatenate"]["cut_of_those_that_fit"]
            assert set(one["million_chunks_per_second"]) == {"best fit", "segment tree", "with exchanges"}
            assert set(one["windows"]) == {"100 documents", "1,000 documents", "134,217,728 tokens"}
            whole = one["windows"]["134,217,728 tokens"]
            assert whole["windows"] == 1 and whole["rows"] == one["with exchanges"]["rows"]
            assert whole["rows"] <= one["best-fit"]["rows"]
            parted = one["windows"]["100 documents"]
            assert parted["windows"] == 20 and parted["padding_but_of_last"] < parted["padding_alone"]
    packed = figures["packing"]
    assert packed["datatrove"] is None and set(packed["rates"]) == {"1 worker"}
    assert packed["rows"]["best-fit"]["cut_of_those_that_fit"] == 0 < packed["rows"]["best-fit"]["cut"]
    assert packed["rows"]["concatenate"]["cut_of_those_that_fit"] > 0
    assert packed["rows"]["best-fit"]["documents"] == packed["rows"]["concatenate"]["documents"] == 200

    loaded = figures["loading"]
    assert (loaded["first_batch"]["rows"], loaded["first_batch"]["parts"]) == (1024, 16)
    assert set(loaded["first_batch"]["seconds"]) == {"first", "resumed"}
    readers = ("1 reader", "2 readers")
    assert set(loaded["rates"]["L64"]) == {
        name + what for name in readers for what in ("", " bare", ", of bare")
    }
    assert loaded["training"]["steps"] == 2 and 0 <= loaded["training"]["share_waited"] < 1


def test_rows_that_are_made_are_as_they_say(tmp_path: Path) -> None:
    full = rows_.make_full(tmp_path / "full", 1500, 1500 * 7, 100)
    table = pa.ipc.open_file(str(full.files[0])).read_all()
    assert table.schema == sequences(1500) and full.rows == table.num_rows == 7
    assert table["lengths"].to_pylist() == [[1024, 476]] * 7
    assert loading.open_loader(full, 7, 0).batch(1).tokens_BL.max() < 100  # checksums are held to the rows


def test_holes_read_as_zeros_and_take_no_room(tmp_path: Path) -> None:
    sparse = rows_.make_sparse(tmp_path / "sparse", 4096, 64)
    tokens = pa.ipc.open_file(str(sparse.files[0])).read_all()["tokens"].combine_chunks()
    assert not tokens.values.to_numpy().any()
    assert sparse.files[0].stat().st_blocks * 512 < sparse.bytes / 4
    assert not loading.open_loader(sparse, 4, 0).batch(1).tokens_BL.any()


def test_a_yardstick_gets_all_texts_in_equal_shares(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**document(text, str(n)), "cluster": "c", "draw": 0} for n, text in enumerate(make_texts(101))]
    mixture = weigh(make_artifact(tmp_path / "mixture", [rows[:50], rows[50:]], MIXTURE))
    shares = [
        [row for batch in packing.iterate(mixture, n, 3) for row in batch["id"].to_pylist()] for n in range(3)
    ]
    assert sorted(chain.from_iterable(shares)) == sorted(row["id"] for row in rows)
    assert max(map(len, shares)) - min(map(len, shares)) <= 2
    script = tmp_path / "tells.py"
    script.write_text(TELLS, "utf-8")
    monkeypatch.setattr(packing, "SCRIPT", str(script))
    monkeypatch.setattr(packing, "PACKAGES", ("pyarrow",))
    monkeypatch.setattr(packing, "look_at_rows", lambda *_: None)
    monkeypatch.setattr(packing, "pack_and_remove", lambda *_: None)
    options = Options(repeat=2, workers=2, peer=sys.executable)
    tokenizer = make_output(tmp_path / "tokenizer")
    (tokenizer.folder / "tokenizer.json").write_text("{}")
    tokenizer.close([], Counts(0, 0))
    said: list[str] = []
    (tmp_path / "work").mkdir()
    made = open_artifact(tokenizer.folder)
    figures = packing.measure_packing(mixture, made, tmp_path / "work", options, said.append)
    told = figures["datatrove"]
    assert told["tokens"] == 101 and told["versions"] == {"told": "1.0"}
    assert told["ratio"].median == pytest.approx(told["ratio_with_start"].median * 8 / 8.5)
    assert figures["rates"]["datatrove, 2 workers"]["seconds"].median == 8.5


def test_the_script_of_the_yardstick_needs_nothing_of_dspipe() -> None:
    assert "import dspipe" not in (text := (FOLDER / packing.SCRIPT).read_text("utf-8"))
    assert "from dspipe" not in text


def test_documents_are_cut_into_whole_rows_and_a_rest() -> None:
    chunks = fitting.list_chunks(np.array([3, 10, 11, 25, 20, 1]), 10)
    assert chunks.tolist() == [3, 10, 10, 1, 10, 10, 5, 10, 10, 1]


def test_concatenation_cuts_what_a_row_ends_in() -> None:
    figures = fitting.describe_concatenation(np.array([4, 6, 5, 6, 21, 8]), 10)
    assert figures["rows"] == 5 and figures["more_than_ideal"] == 0
    assert figures["padding"] == 0
    assert figures["cut"] == pytest.approx(2 / 6)  # the fourth and the fifth
    assert figures["cut_of_those_that_fit"] == pytest.approx(1 / 5)


def test_rows_that_are_more_than_by_a_segment_tree_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = np.array([5, 5, 3, 7], np.int32)
    assert fitting.fit_all(chunks, 10) == 2
    monkeypatch.setattr(fitting, "fit", lambda chunks, _: (np.arange(4), 4))
    with pytest.raises(DspipeError, match="4 rows of 3 to 7 tokens, 2 by a segment tree"):
        fitting.fit_all(chunks, 10)


def test_windows_of_tokens_hold_whole_documents() -> None:
    windows = list(fitting.cut_by_tokens(np.array([6, 6, 6, 30, 1, 1]), 10))
    assert [window.tolist() for window in windows] == [[6, 6], [6, 30], [1, 1]]


def test_lengths_are_drawn_again_the_same() -> None:
    drawn = lengths.draw_lengths(1000)
    assert drawn.min() >= 1 and (drawn == lengths.draw_lengths(1000)).all()
    assert set(lengths.resample(drawn, 5000)) <= set(drawn)
    described = lengths.describe_lengths("some", np.arange(1, 101), lambda line: None)
    assert described["quantiles"] == {"0.1": 10, "0.5": 50, "0.9": 90, "0.99": 99}
    assert described["share_of_the_longest_hundredth"] == pytest.approx(100 / 5050)


def make_rows(folder: Path, rows: list[list[tuple[int, int, bool]]], row_length: int) -> Any:
    """Rows of (place, length, infilled) for each chunk."""
    schema = sequences(row_length)
    table = pa.Table.from_pylist(
        [
            {
                "tokens": [0] * row_length,
                "lengths": [length for _, length, _ in row],
                "places": [place for place, _, _ in row],
                "fim": [infilled for _, _, infilled in row],
            }
            for row in rows
        ],
        schema,
    )
    output = make_output(folder)
    with pa.ipc.new_file(str(folder / "part-00000.arrow"), schema) as writer:
        writer.write_table(table)
    output.close([record_file(folder, "part-00000.arrow", len(rows))], Counts(len(rows), len(rows)))
    return open_artifact(folder)


def test_rows_are_told_by_their_own_columns(tmp_path: Path) -> None:
    rows = [[(0, 8, False)], [(0, 4, False), (1, 3, True)], [(2, 5, False), (1, 1, True)]]
    figures = packing.describe_rows(make_rows(tmp_path / "sequences", rows, 8))
    assert figures["rows"] == 3 and figures["documents"] == 3
    assert figures["padding"] == pytest.approx(3 / 24)
    assert figures["cut"] == pytest.approx(2 / 3) and figures["cut_of_those_that_fit"] == 0.5
    assert figures["infilled"] == pytest.approx(1 / 3)
