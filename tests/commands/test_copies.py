"""What dedup removed, as people see it: clusters, pairs with their differences, pieces, the earlier run."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pytest

from dspipe.recipe import RecipeError
from dspipe.schema import DISTINCT, REJECTED, REMOVED
from dspipe.shards import Counts, Header, Output, write_parquet
from tests.commands.runs import call
from tests.support import document, make_artifact, make_id

ROOT = Path(__file__).parent.parent.parent
WORDS = " ".join(f"word{number}" for number in range(300))
EVIL = "\x1b[31mred\x07 \u202egnp"
TEXTS = {
    "long": WORDS,
    "near": WORDS.replace("word150", f"another {EVIL}"),
    "nearer": WORDS.replace("word299", "end"),
    "spaced": WORDS.replace("word7 ", "word7\n\n"),
    "page": f"Menü\nHello there\n{WORDS[:200]}",
    "menu": "Menü",
    "news": f"{WORDS[:500]} and more",
    "alone": "Nothing is like this.",
}
EARLIER = {"old": WORDS[:500]}
ROWS = [
    ("near", "long", "near", 0.9, 0.95, None, None),
    ("nearer", "long", "near", 0.85, 0.99, None, None),
    ("spaced", "long", "exact", 1.0, 1.0, None, None),
    ("news", "old", "near", 0.97, 0.98, None, None),
    ("page", "long", "line", None, None, 0, 5),
    ("menu", "long", "line", None, None, 0, 5),
    ("page", "long", "substring", None, None, 18, 200),
]


def make_distinct(
    folder: Path,
    texts: dict[str, str],
    rows: list[tuple[Any, ...]],
    against: Sequence[str] = (),
    **settings: Any,
) -> None:
    """What dedup leaves: documents that stay, evidence of the others."""
    dropped: dict[str, int] = {}
    for row in rows:
        if row[2] in ("exact", "near", "url"):
            dropped[f"{row[2]}-copy"] = dropped.get(f"{row[2]}-copy", 0) + 1
    dropped |= {"nothing-left": 1} if rows else {}
    inputs = [{"artifact": "filtered", "fingerprint": "test"}]
    output = Output(folder, Header("dedup", 1, settings, "made", inputs))
    kept = [
        document(text, name=name, url=f"https://{name}.example/", cluster=make_id(name))
        for name, text in texts.items()
    ]
    evidence = [
        dict(zip(REMOVED.names, (make_id(row[0]), make_id(row[1]), *row[2:]), strict=True)) for row in rows
    ]
    parts = [
        write_parquet(
            folder, "part-00000.parquet", DISTINCT, pa.Table.from_pylist(kept, DISTINCT).to_batches()
        )
    ]
    beside = write_parquet(
        folder, "removed.parquet", REMOVED, pa.Table.from_pylist(evidence, REMOVED).to_batches()
    )
    went = sum(dropped.values())
    output.close(
        parts,
        Counts(len(kept) + went, len(kept), 0, dropped),
        [beside],
        {"largest_cluster": 4, "against": list(against)},
    )


def make_documents(folder: Path) -> None:
    rows = [document(text, name=name, url=f"https://{name}.example/") for name, text in TEXTS.items()]
    make_artifact(folder, [rows[:3], rows[3:]])
    write_parquet(folder, "rejected.parquet", REJECTED, [])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run held against an earlier one."""
    run = tmp_path / "shards" / "new"
    make_distinct(tmp_path / "shards" / "old" / "distinct", EARLIER, [])
    make_documents(run / "documents")
    make_documents(run / "filtered")
    stay = {name: TEXTS[name] for name in ("long", "page", "alone")}
    make_distinct(run / "distinct", stay, ROWS, against=["shards/old/distinct"], measure="jaccard")
    return run


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("inspect", *arguments, "--json")
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def show(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    call("inspect", *arguments)
    shown = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in shown)
    return shown


def test_the_largest_clusters_come_first_with_what_is_kept(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = inspect(capsys, run / "distinct", "--clusters")
    first, second = shown["largest"]
    assert (first["documents"], first["removed"]) == (4, {"near": 2, "exact": 1})
    assert first["kept"]["url"] == "https://long.example/" and first["text"] == WORDS[:2000]
    assert second["kept"]["in"].endswith("shards/old/distinct") and second["text"] == EARLIER["old"]
    assert len(inspect(capsys, run / "distinct", "--clusters", "--rows", 1)["largest"]) == 1
    assert inspect(capsys, run / "distinct", "--clusters", "--rows", 0)["largest"] == []
    assert inspect(capsys, run.parent / "old" / "distinct", "--clusters")["largest"] == []
    assert "cluster 0: 4 documents, of which went: exact 1, near 2" in show(
        capsys, run / "distinct", "--clusters"
    )


def test_near_copies_are_shown_from_the_least_alike_with_their_differences(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = inspect(capsys, run / "distinct", "--reason", "near-copy", "--rows", 2)
    assert shown["count"] == 3
    first, second = shown["records"]
    assert (first["jaccard"], first["containment"], first["removed"]["id"]) == (0.85, 0.99, make_id("nearer"))
    assert first["differences"][-1] == {"kept": "word299", "removed": "end"}
    assert [list(part) for part in second["differences"]] == [
        ["alike"], ["both"], ["kept", "removed"], ["both"], ["alike"],
    ]  # fmt: skip
    assert second["differences"][2] == {"kept": "word150 ", "removed": f"another {EVIL} "}
    assert (second["more"], second["not compared"]) == (0, [0, 0])


def test_differences_are_marked_where_there_are_no_colours(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = show(capsys, run / "distinct", "--reason", "near-copy")
    assert "near-copy                3  (the least alike first)" in shown
    assert "word298 {-word299-}\n" in shown and "word298 {+end+}\n" in shown
    assert "word149 {+another �[31mred� �gnp+} word151" in shown
    assert "… 1,0" in shown and "characters alike …" in shown
    shown = show(capsys, run / "distinct", "--reason", "exact-copy")
    assert "the texts are equal but for white space\n  both     | word0 word1" in shown


def test_pieces_are_shown_in_what_surrounded_them(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, other = inspect(capsys, run / "distinct", "--reason", "line")["records"]
    assert line["piece"] == {"before": "", "text": "Menü", "after": TEXTS["page"][4:404]}
    assert (line["start"], line["bytes"], line["kept"]["id"]) == (0, 5, make_id("long"))
    (piece,) = inspect(capsys, run / "distinct", "--reason", "substring")["records"]
    assert piece["piece"] == {"before": "Menü\nHello there\n", "text": WORDS[:200], "after": ""}
    shown = show(capsys, run / "distinct", "--reason", "line", "--rows", 1)
    assert "line  5 bytes from byte 0" in shown and "\n  {+Menü+} ⏎ Hello there ⏎ word0" in shown
    (gone,) = inspect(capsys, run / "distinct", "--reason", "nothing-left")["records"]
    assert gone["removed"]["id"] == make_id("menu") == other["removed"]["id"]


def test_the_pairs_of_one_document_can_be_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = inspect(capsys, run / "distinct", "--id", make_id("long")[:10], "--rows", 10)["records"]
    assert [record["kind"] for record in records] == ["near", "near", "exact", "line", "line", "substring"]
    records = inspect(capsys, run / "distinct", "--id", make_id("long")[:10], "--reason", "near-copy")[
        "records"
    ]
    assert [record["jaccard"] for record in records] == [0.9, 0.85]
    with pytest.raises(RecipeError, match="no document whose id begins with xyz was removed, lost a piece"):
        call("inspect", run / "distinct", "--id", "xyz")


def test_what_is_kept_by_an_earlier_run_is_shown_from_there(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = inspect(capsys, run / "distinct", "--id", make_id("news"))["records"]
    assert record["kept"]["url"] == "https://old.example/" and record["kept"]["in"].endswith("old/distinct")
    assert record["differences"][-1]["removed"].endswith("and more")
    monkeypatch.chdir(tmp_path)
    call("trace", run, make_id("news"), "--json")
    way = json.loads(capsys.readouterr().out)["dedup"]
    assert way == {
        "removed as a copy of": make_id("old"), "which lies in": "shards/old/distinct", "kind": "near",
        "jaccard": 0.97, "containment": 0.98,
    }  # fmt: skip
    shutil.rmtree(tmp_path / "shards" / "old")
    (record,) = inspect(capsys, run / "distinct", "--id", make_id("news"))["records"]
    assert record["not shown"] == "the kept document is of an earlier run that is not at hand"
    assert record["kept"] == make_id("old") and record["removed"]["url"] == "https://news.example/"
    assert inspect(capsys, run / "distinct", "--clusters")["largest"][1]["text"] is None
    call("trace", run, make_id("news"), "--json")
    way = json.loads(capsys.readouterr().out)["dedup"]
    assert way["which lies in"] == "an earlier run that is not at hand"


def test_texts_come_from_whichever_run_filtered_was_taken_of(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(run / "filtered", run.parent / "old" / "filtered")
    (run.parent / "broken" / "filtered").mkdir(parents=True)
    (run.parent / "broken" / "filtered" / "manifest.json").write_text("{")
    (run.parent / "note.txt").write_text("no run")
    (record,) = inspect(capsys, run / "distinct", "--reason", "exact-copy")["records"]
    assert record["removed"]["url"] == "https://spaced.example/"
    assert record["differences"] == [{"alike": len(WORDS)}]
    manifest = run.parent / "old" / "filtered" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"test"', '"other"'))
    (record,) = inspect(capsys, run / "distinct", "--reason", "exact-copy")["records"]
    assert record["not shown"].startswith("the texts are not at hand") and record["removed"] == make_id(
        "spaced"
    )
    assert "the texts are not at hand" in show(capsys, run / "distinct", "--reason", "line")
    assert "pair 0: exact" in show(capsys, run / "distinct", "--reason", "exact-copy")


def test_text_that_is_no_text_is_shown_all_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = pa.array([b"\xff\xfe word1 \x00" + WORDS.encode() + b"\xc3"], pa.large_binary())
    rows = pa.Table.from_pylist([document("", name="near")]).drop_columns("text")
    table = rows.append_column("text", pa.Array.from_buffers(pa.large_string(), 1, broken.buffers()))
    write_parquet(run / "filtered", "part-00001.parquet", table.schema, table.to_batches())
    manifest = json.loads((run / "filtered" / "manifest.json").read_text())
    manifest["parts"][1]["bytes"] = (run / "filtered" / "part-00001.parquet").stat().st_size
    manifest["parts"] = manifest["parts"][1:]
    (run / "filtered" / "manifest.json").write_text(json.dumps(manifest))
    shown = show(capsys, run / "distinct", "--id", make_id("near"))
    assert "{+�� word1 �" in shown and "word299{+�+}" in shown


def test_trace_tells_of_pieces(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def trace(name: str) -> dict[str, Any]:
        call("trace", run, make_id(name), "--json")
        way: dict[str, Any] = json.loads(capsys.readouterr().out)["dedup"]
        return way

    page = trace("page")
    assert page["kept"] and page["pieces taken out"] == [
        {"kept": make_id("long"), "kind": "line", "start": 0, "bytes": 5},
        {"kept": make_id("long"), "kind": "substring", "start": 18, "bytes": 200},
    ]
    assert trace("menu")["dropped"] == "nothing-left" and len(trace("menu")["pieces taken out"]) == 1
    long = trace("long")
    assert len(long["copies removed"]) == 3 and long["pieces kept that were taken out of others"] == 3
    assert trace("alone") == {"kept": True, "copies removed": []}


def test_options_that_do_not_go_together_are_refused(run: Path) -> None:
    for options in (
        ["--clusters", "--reason", "x"],
        ["--rule", "x", "--id", "y"],
        ["--clusters", "--id", "y"],
    ):
        with pytest.raises(click.UsageError, match="show different things"):
            call("inspect", run / "distinct", *options)
    for options in (["--clusters"], ["--id", "a"]):
        with pytest.raises(RecipeError, match="goes with what dedup made"):
            call("inspect", run / "filtered", *options)
    with pytest.raises(
        RecipeError, match="nothing was dropped as url-copy; there are: near-copy 3, exact-copy 1"
    ):
        call("inspect", run / "distinct", "--reason", "url-copy")


@pytest.mark.parametrize(("columns", "colours"), [(120, True), (80, True), (120, False)])
def test_on_a_terminal_texts_stand_side_by_side_if_there_is_room(
    run: Path, columns: int, colours: bool
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dspipe", "inspect", str(run / "distinct"), "--id", make_id("near")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": str(columns), "TERM": "xterm"}
    environment |= {} if colours else {"NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while block := read_terminal(ours):
            shown += block
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode().replace("\r\n", "\n")
    assert ("\x1b[1;32mword150\x1b[0m" in text) == colours and ("{-word150-}" in text) == (not colours)
    assert "\x1b[31mred" not in text and "\u202e" not in text
    assert any(line.count("word149") == 2 for line in text.splitlines()) == (columns == 120)


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other side has gone
        return b""
