"""The report on a tokenizer: its numbers are those that can be counted by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dspipe.commands.inspect import is_tokenizer
from dspipe.commands.vocabulary import compression, held_out
from dspipe.commands.vocabulary.compression import find_gini
from dspipe.commands.vocabulary.entries import find_unreachable, is_text, open_vocabulary
from dspipe.commands.vocabulary.held_out import BYTES, DOCUMENT_BYTES, SEEN, UNSEEN, cut_groups
from dspipe.commands.vocabulary.report import describe_vocabulary
from dspipe.commands.vocabulary.scripts import name_script
from dspipe.recipe import RecipeError, Tokenizer
from dspipe.schema import DISTINCT, MIXTURE
from dspipe.text.hashing import draw as draw_ids
from dspipe.text.hashing import parse_ids
from dspipe.tokenizer.stage import run
from tests.bpe.encoding.support import make_texts, train
from tests.support import document, make_artifact, make_output, make_workers
from tests.test_cli import call

PARALLEL = [
    ("1", "en", "the kettle sings"), ("1", "de", "der kessel singt laut"),
    ("2", "en", "tea"), ("3", "de", "tee"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run: distinct has documents that its mixture has not; a tokenizer trained on the mixture."""
    folder = tmp_path_factory.mktemp("run")
    rows = [
        {
            **document(text, str(number), language="en" if number % 2 else "sw", domain="web"),
            "cluster": str(number),
        }
        for number, text in enumerate([*make_texts(40), "\x1b[31mred\x1b[0m <b>alert</b>"])
    ]
    make_artifact(folder / "distinct", [rows[:20], rows[20:]], DISTINCT)
    mixture = make_artifact(folder / "mixture", [[{**row, "draw": 0} for row in rows[:30]]], MIXTURE)
    run(Tokenizer(vocab_size=400), mixture, make_output(folder / "tokenizer"), make_workers(folder))
    return folder


def test_compression_is_measured_on_what_the_mixture_has_not(folder: Path) -> None:
    content = describe_vocabulary(folder / "tokenizer", [], None, 3)
    compression = content["compression"]
    assert compression["measured_on"] == UNSEEN
    assert sum(row["documents"] for row in compression["languages"]) == 11
    (domain,) = compression["domains"]
    texts = [*make_texts(40)[30:], "\x1b[31mred\x1b[0m <b>alert</b>"]
    assert domain["bytes"] == sum(len(text.encode()) for text in texts)
    from dspipe.bpe.encoding.encoder import Encoder

    tokens = int(Encoder(folder / "tokenizer").count(texts).sum())
    assert domain["bytes_per_token"]["this"] == round(domain["bytes"] / tokens, 4)
    assert domain["characters_per_token"]["this"] == round(sum(map(len, texts)) / tokens, 4)


def test_where_nothing_was_left_out_the_report_says_so(folder: Path, tmp_path: Path) -> None:
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "tokenizer").symlink_to(folder / "tokenizer")
    rows = [document(text, str(number)) for number, text in enumerate(make_texts(5))]
    rows = [{**row, "cluster": row["id"]} for row in rows]
    make_artifact(run_folder / "distinct", [rows], DISTINCT)
    make_artifact(
        run_folder / "mixture", [[{**row, "draw": draw} for row in rows for draw in (0, 1)]], MIXTURE
    )
    compression = describe_vocabulary(run_folder / "tokenizer", [], None, 3)["compression"]
    assert compression["measured_on"] == SEEN and compression["domains"][0]["documents"] == 5


def test_layout_and_uses_add_up(folder: Path) -> None:
    content = describe_vocabulary(folder / "tokenizer", [], None, 5)
    layout, scripts = content["tokenizer"], content["scripts"]
    assert (layout["ids"], layout["entries"], layout["merges"]) == (415, 397, 141)
    assert layout["pattern"] == "deepseek-v3" and layout["trained_on"]["documents"] == 30
    assert sum(script["entries"] for script in scripts.values()) == 397
    assert content["unreachable"]["this"]["entries"] == 0
    unused = content["never used on the mixture"]
    assert "\\xff" not in unused["some"][:1] and unused["entries"] >= 13  # bytes that UTF-8 never has
    assert scripts["Latin"]["longest"][0]["uses"] > 0


def test_another_tokenizer_stands_beside(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "tokenizer.json"
    other.write_text(json.dumps(train(["kettle sings"] * 9, size=300, pattern="gpt-2")))
    content = describe_vocabulary(folder / "tokenizer", [other], None, 3)
    (domain,) = content["compression"]["domains"]
    ours, theirs = domain["bytes_per_token"].values()
    assert ours > theirs > 0 and set(content["compression"]["parity"]) == {"this", str(other)}


def test_an_entry_that_no_text_yields_is_found(tmp_path: Path) -> None:
    description = train(["kettle sings"] * 9, size=280)
    vocabulary = description["model"]["vocab"]
    vocabulary["xyz"] = len(vocabulary)  # no merge makes it
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(description))
    content = describe_vocabulary(file, [], None, 3)
    assert content["unreachable"]["this"]["entries"] == 1
    assert content["unreachable"]["this"]["some"] == ["xyz"]
    assert "no run is around" in content["compression"]["measured_on"]


def test_parallel_texts_give_the_premium(folder: Path, tmp_path: Path) -> None:
    rows = [{"text": text, "language": language, "source_id": key} for key, language, text in PARALLEL]
    data = tmp_path / "parallel.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    content = describe_vocabulary(folder / "tokenizer", [], str(data), 3)
    from dspipe.bpe.encoding.encoder import Encoder

    english, german = Encoder(folder / "tokenizer").count([PARALLEL[0][2], PARALLEL[1][2]]).tolist()
    assert content["compression"]["premium"]["this"] == {
        "de": {"times": round(german / english, 4), "texts": 1}
    }
    assert content["compression"]["domains"][0]["documents"] == 4


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_every_row_of_data_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    rows = [{"text": text, "domain": "\x1b[0m", "other": 1} for text in ("tea", None, "\x1b[31m\0")]
    lines = "\n".join(map(json.dumps, rows)).encode()
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    else:
        (tmp_path / name).write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)
    read = held_out.read_files(str(tmp_path / name))
    assert read["text"].to_pylist() == [row["text"] for row in rows]
    assert read["domain"].to_pylist() == ["\x1b[0m"] * 3 and read["source_id"].null_count == 3


def test_data_that_is_no_text_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"words": 3}')
    with pytest.raises(RecipeError, match="not Parquet or JSON lines with a text"):
        describe_vocabulary(folder / "tokenizer", [], str(tmp_path / "*.jsonl"), 3)
    with pytest.raises(RecipeError, match="no file matches"):
        describe_vocabulary(folder / "tokenizer", [], str(tmp_path / "none*"), 3)


def test_scripts_are_told_by_letters() -> None:
    words = {
        " tea": "Latin", "вода": "Cyrillic", "水": "Han", "お茶": "Kana", "주전자": "Hangul",
        "पानी": "Devanagari", "αx": "mixed", "12": "digits", " \n": "white space", "…!": "signs",
        "ꨀ": "other letters",
    }  # fmt: skip
    assert {word: name_script(word.encode()) for word in words} == words
    assert name_script(b"\xe6\xb0") == "bytes" and find_gini([]) == 0.0


def test_no_group_is_larger_than_it_may_be() -> None:
    texts = ["x" * (BYTES // 2)] * 5 + ["y"]
    table = pa.table({"text": texts, "group": [0] * 5 + [1], "draw": [5, 1, 4, 2, 3, 0]})
    assert sorted(cut_groups(table)["draw"].to_pylist()) == [0, 1, 2]


def test_of_a_group_the_documents_with_the_smallest_draws_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "DOCUMENTS", 3)
    rows = [
        {**document("x" * (number + 1), str(number), language="en"), "cluster": "", "draw": draw}
        for number in range(9)
        for draw in (0, 1)
    ]
    mixture = make_artifact(tmp_path / "mixture", [rows[:7], rows[7:]], MIXTURE)
    ids = parse_ids(pa.array([row["id"] for row in rows[::2]]))
    without = np.sort(ids[:2, 0])
    draws = draw_ids(0, "inspect", ids[2:])
    expected = sorted("x" * (3 + int(place)) for place in np.argsort(draws)[:3])
    assert sorted(held_out.read_some(mixture, without)["text"].to_pylist()) == expected


def test_of_a_long_document_the_beginning_is_read() -> None:
    texts = pa.chunked_array([pa.array(["a", None, "é" * DOCUMENT_BYTES], pa.large_string())])
    assert held_out.shorten_texts(texts).to_pylist() == ["a", None, "é" * (DOCUMENT_BYTES // 2)]


def test_a_part_of_a_character_is_reachable_where_merges_make_it(tmp_path: Path) -> None:
    description = train(["水氷永" * 9, "a水"] * 9, size=262)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(description))
    vocabulary = open_vocabulary(file, 1)
    parts = [token for token in vocabulary.encoder.tokens if len(token) > 1 and not is_text(token)]
    assert b"\xe6\xb0" in parts and find_unreachable(vocabulary) == ([], 0)
    entries = description["model"]["vocab"]
    entries["æ±"] = len(entries)  # bytes that no merge joins
    file.write_text(json.dumps(description))
    vocabulary = open_vocabulary(file, 1)
    assert [vocabulary.encoder.tokens[number] for number in find_unreachable(vocabulary)[0]] == [b"\xe6\xb1"]


def test_an_entry_of_the_mixture_is_reachable(tmp_path: Path) -> None:
    description = train(["kettle sings"] * 9, size=280)
    description["model"]["vocab"]["xyz"] = 280
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(description))
    uses = np.zeros(300, np.int64)
    assert find_unreachable(open_vocabulary(file, 1), uses)[0] == [280]
    uses[280] = 1
    assert find_unreachable(open_vocabulary(file, 1), uses)[0] == []


def test_sentencepiece_of_the_same_size_is_trained_and_stands_beside(folder: Path) -> None:
    content = describe_vocabulary(folder / "tokenizer", ["sentencepiece"], None, 3)
    (domain,) = content["compression"]["domains"]
    assert domain["tokens"]["this"] > 0 and domain["tokens"]["sentencepiece"] > 0
    assert content["beside"]["sentencepiece"]["ids"] <= content["tokenizer"]["ids"]
    unreachable = content["unreachable"]["sentencepiece"]
    assert unreachable["not_tested"] == 256 and unreachable["entries"] < 5


def test_without_a_mixture_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(train(["kettle sings"] * 9, size=280)))
    with pytest.raises(RecipeError, match="trains on a run's mixture"):
        describe_vocabulary(tmp_path / "tokenizer.json", ["sentencepiece"], None, 3)


def test_parity_beside_english_is_by_what_a_token_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "LEAST_BYTES", 1)
    measured = describe_vocabulary(folder / "tokenizer", [], None, 3)["compression"]
    held = {row["language"]: row["bytes_per_token"]["this"] for row in measured["languages"]}
    parity = measured["parity"]["this"]["bytes"]
    assert parity["worst_language"] == min(held, key=lambda language: held[language])
    assert parity["tokens_beside_english"] == {
        language: round(held["en"] / each, 4) for language, each in held.items()
    }


def test_the_folder_of_a_model_is_no_tokenizer(folder: Path) -> None:
    assert is_tokenizer(folder / "tokenizer") and is_tokenizer(folder / "tokenizer" / "tokenizer.json")
    (folder / "mixture" / "tokenizer.json").write_bytes(
        (folder / "tokenizer" / "tokenizer.json").read_bytes()
    )
    assert not is_tokenizer(folder / "mixture")


def test_the_command_prints_it_and_nothing_from_a_document_steers_the_terminal(
    folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "hostile.jsonl"
    data.write_text(json.dumps({"text": "\x1b[31mred", "language": "\x1b[31m", "domain": "\x1b[0m"}))
    done = call("inspect", folder / "tokenizer", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "tokenizer" in done.stdout.splitlines()[0]
    lines = done.stdout[done.stdout.index("bytes (characters)") :].splitlines()
    assert max(map(len, lines)) <= 100
    plain: Any = json.loads(call("inspect", folder / "tokenizer", "--json").stdout)
    assert set(plain) >= {"tokenizer", "compression", "unreachable", "scripts", "examples"}
    refused = call("inspect", folder / "mixture", "--beside", folder / "tokenizer")
    assert refused.returncode == 2 and "--beside and --data go with one" in refused.stderr
