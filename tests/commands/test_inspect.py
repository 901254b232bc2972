"""`dspipe inspect --reason`: what was dropped, where it stands, and how it begins, so that one sees why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dspipe.recipe import RecipeError
from tests.commands.packs import kettle, make_run
from tests.commands.runs import call, run_stages


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("inspect", *arguments, "--json")
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_the_lists_of_dropped_records_are_one_table(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list((small / "documents").glob("unused-*.parquet"))) > 1
    content = inspect(capsys, small / "documents", "--rows", 10)
    assert len(content["unused"]["rows"]) == 4 and "reason" in content["unused"]["schema"]
    assert not [name for name in content if name.startswith("unused-")]


def test_dropped_records_are_shown_with_their_places_and_originals(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = inspect(capsys, small / "documents", "--reason", "status-4xx")
    (record,) = shown["records"]
    assert shown["count"] == 1 and record["url"] == "https://example.org/2" and record["file"] == "a.warc.gz"
    assert record["original"]["http"].startswith("HTTP/1.1 404") and record["original"]["page"].startswith(
        "gone"
    )
    pages = [
        record["original"]["page"]
        for record in inspect(capsys, small / "documents", "--reason", "malformed")["records"]
    ]
    assert pages == ["{broken \x1b[31m", "one,two"]


def test_rows_are_as_many_as_asked_for(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = inspect(capsys, small / "documents", "--reason", "malformed", "--rows", 1)
    assert len(shown["records"]) == 1 and shown["count"] == 2
    assert inspect(capsys, small / "documents", "--reason", "malformed", "--rows", 0)["records"] == []


def test_nothing_from_a_dropped_record_steers_the_terminal(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for reason, words in [
        ("status-4xx", "http       | HTTP/1.1 404 Not Found"),
        ("malformed", "page       | {broken"),
    ]:
        call("inspect", small / "documents", "--reason", reason)
        shown = capsys.readouterr().out
        assert words in shown and all(c.isprintable() or c == "\n" for c in shown)


def test_an_unknown_reason_is_answered_with_those_there_are(small: Path) -> None:
    with pytest.raises(RecipeError, match=r"nothing was dropped as empty; there are: .*malformed 2"):
        call("inspect", small / "documents", "--reason", "empty")
    with pytest.raises(RecipeError, match="there are: near-copy "):
        call("inspect", small / "distinct", "--reason", "empty")
    with pytest.raises(RecipeError, match="goes with a finished artifact that lists what it lacks"):
        call("inspect", small / "signals", "--reason", "empty")


def test_copies_are_shown_with_what_stayed_instead(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = inspect(capsys, small / "distinct", "--reason", "near-copy", "--rows", 100)
    assert len(shown["records"]) == shown["count"] > 5
    packed = [record for record in shown["records"] if record["removed"]["source"] == "packed"]
    assert all(record["removed"]["file"] == "packed.jsonl.gz" for record in packed)
    assert any(record["kept"]["url"] == record["removed"]["url"] for record in packed)


def test_a_document_that_was_rejected_is_shown_under_each_of_its_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small: Path
) -> None:
    shutil.copytree(small.parent.parent, tmp_path / "copy")
    folder = tmp_path / "copy"
    recipe = folder / "small.toml"
    recipe.write_text(recipe.read_text().replace('rules = "none"', 'rules = "gopher"'))
    run_stages(folder, recipe, "--rebuild", "filter", "filter")
    shown = inspect(
        capsys, folder / "shards" / "small" / "filtered", "--reason", "gopher-words", "--rows", 100
    )
    assert shown["count"] == len(shown["records"]) == 22
    assert all(
        "gopher-words" in record["reasons"] and record["original"]["page"] for record in shown["records"]
    )
    assert {"file", "offset", "source", "url"} < set(shown["records"][0])


def test_records_are_listed_even_where_their_file_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small: Path
) -> None:
    shutil.copytree(small, tmp_path / "small")
    (record,) = inspect(capsys, tmp_path / "small" / "documents", "--reason", "not-html")["records"]
    assert record["offset"] > 0 and "it is not at data/*.warc.gz any more" in record["original"]["not shown"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "kettles")


def test_rows_of_tokens_are_shown_with_their_documents(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = inspect(capsys, packed / "sequences", "--rows", 4)
    assert (
        content["parts L32"]["schema"]["tokens"].endswith("[32]") and len(content["parts L64"]["rows"]) == 3
    )
    rows = content["parts L32"]["rows"]
    assert [row["row"] for row in rows] == [
        "L32/part-00000.arrow:0", "L32/part-00000.arrow:1", "L32/part-00000.arrow:2", "L32/part-00001.arrow:0"
    ]  # fmt: skip
    assert rows[1]["padding"] == 6 and rows[1]["documents"] == [
        {"first token": 0, "tokens": 16, "document token": 8, "id": kettle(1), "draw": 0, "fim": True,
         "begins": "of kind 1 si"},
        {"first token": 16, "tokens": 10, "document token": 0, "id": kettle(2), "draw": 0, "fim": False,
         "begins": "Kettles of"},
    ]  # fmt: skip


def test_held_out_rows_are_counted_by_domain_and_language(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = inspect(capsys, packed / "sequences", "--rows", 0)["validation/L32.arrow"]
    assert shown["held out"] == {"code": {"no": 1}, "web": {"en": 1}} and shown["rows"] == []


def test_on_a_terminal_a_document_of_a_row_is_a_line(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("inspect", packed / "sequences", "--rows", 2)
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "fill-in-the-middle" in line]
    assert (
        line.split()
        == f"0 {kettle(1)[:12]}… 16 tokens, from its token 8, fill-in-the-middle: of kind 1 si".split()
    )


def test_without_their_tokenizer_rows_are_shown_without_text(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(packed / "sequences", tmp_path / "copy" / "sequences")
    rows = inspect(capsys, tmp_path / "copy" / "sequences")["parts L32"]["rows"]
    assert rows[0]["documents"][0]["begins"] is None and rows[0]["documents"][0]["tokens"] == 24
