"""`dspipe bench dedup`: yardsticks in another process, memory that is watched, the figures of a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from dspipe.bench import Options, copies, dedup, recall, scaling, yardsticks
from dspipe.bench.deduplication import Run, deduplicated, read_removed, run_watched
from dspipe.bench.documents import find_documents
from dspipe.bench.peers.deduplicators import list_shingles
from dspipe.bench.signing import SCRIPTS, choose_texts, is_of_script
from dspipe.bench.watch import list_children, watching
from dspipe.bench.yardsticks import Peer, Tool, ask_kept, find_peers
from dspipe.recipe import Dedup, RecipeError
from tests.bench.test_pairs import make_page
from tests.support import document, make_artifact, make_id

KEEPS_FIRST = """
import json, sys
import pyarrow.parquet as pq
ids = pq.read_table(sys.argv[2])["id"].to_pylist()
print(json.dumps({"version": "1.0"}), flush=True)
for line in sys.stdin:
    open(line.strip(), "w").write(ids[0] + "\\n")
    print(json.dumps({"seconds": 0.5, "kept": 1}), flush=True)
"""


@pytest.fixture
def eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """A yardstick that keeps the first document only."""
    script = tmp_path / "eager.py"
    script.write_text(KEEPS_FIRST, "utf-8")
    tools = {
        "eager": Tool(("json",), "eager", 10, 3000),
        "missing": Tool(("no_such_package",), "missing", 2, 1),
    }
    monkeypatch.setattr(yardsticks, "SCRIPT", str(script))
    monkeypatch.setattr(yardsticks, "TOOLS", tools)
    monkeypatch.setattr(dedup, "TOOLS", tools)
    return Peer("eager", sys.executable)


def test_yardsticks_that_are_not_there_are_said(eager: Peer) -> None:
    said: list[str] = []
    assert find_peers(None, said.append) == [eager] and find_peers(sys.executable, said.append) == [eager]
    assert said[0] == "no yardstick missing: pip install missing elsewhere, and name that Python with --peer"


def test_an_interpreter_without_any_yardstick_is_refused(
    eager: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(yardsticks.TOOLS, "eager")
    with pytest.raises(RecipeError, match="has none of missing; install one of them there"):
        find_peers(sys.executable, print)
    with pytest.raises(RecipeError, match="--peer /nowhere/python: cannot be run"):
        find_peers("/nowhere/python", print)


def test_a_yardstick_is_asked_what_it_keeps(eager: Peer, tmp_path: Path) -> None:
    artifact = make_artifact(
        tmp_path / "documents", [[document("one"), document("two")], [document("three")]]
    )
    assert ask_kept(eager, artifact, tmp_path) == {make_id("one")}


def test_shingles_of_a_yardstick_are_five_words() -> None:
    assert list_shingles("A b, c d-e f") == ["a b c d e", "b c d e f"] and list_shingles("A b") == ["a b"]


def test_texts_are_told_by_their_script(tmp_path: Path) -> None:
    texts = pa.array(["plain words", "東京タワーは高い", "по-русски", None], pa.large_string())
    chosen = {script: is_of_script(texts, pattern).to_pylist()[:3] for script, pattern in SCRIPTS.items()}
    assert chosen == {"Latin": [True, False, False], "CJK": [False, True, False]}
    documents = find_documents(
        str(make_artifact(tmp_path / "documents", [[document("plain words")]]).folder), tmp_path, 0
    )
    assert choose_texts(documents, SCRIPTS["CJK"]) == []
    held = choose_texts(documents, SCRIPTS["Latin"])
    assert len(held) * len("plain words") >= 5_000_000 > (len(held) - 1) * len("plain words")


def test_what_is_made_is_gone_when_it_has_been_looked_at(tmp_path: Path) -> None:
    filtered = make_artifact(
        tmp_path / "filtered", [[document(make_page(0), "a"), document(make_page(0), "b")]]
    )
    with deduplicated(Dedup(), filtered, tmp_path) as distinct:
        assert distinct.rows == 1 and [row["kind"] for row in read_removed(distinct)] == ["exact"]
    assert not distinct.folder.exists() and [path.name for path in tmp_path.iterdir()] == ["filtered"]


def test_memory_of_processes_below_counts() -> None:
    waits = "import sys; held = bytearray(b'x' * (200 << 20)); print(flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with watching() as watch, subprocess.Popen([sys.executable, "-c", waits], **pipes) as child:  # type: ignore[call-overload]
        child.stdout.readline()
        watch.look()
        if not (children := list_children_here()):
            pytest.skip("this system does not tell which processes are below another")
        assert child.pid in children
        child.stdin.close()
    peaks = watch.peaks
    assert peaks.largest_own >= 200 << 20 and peaks.largest >= 200 << 20 and peaks.all_own > peaks.largest_own


def list_children_here() -> list[int]:
    import os

    return list_children(os.getpid())


def test_a_run_that_is_watched_tells_counts_seconds_and_peaks(tmp_path: Path) -> None:
    rows = [document(make_page(number), f"{number}") for number in (0, 1, 0)]
    filtered = make_artifact(tmp_path / "filtered", [rows])
    ran = run_watched(Run(Dedup(), filtered.folder, 1, 2 << 30, tmp_path, filtered.folder))
    assert (ran.counts.in_, ran.counts.out) == (3, 2) and ran.seconds > 0
    assert ran.peaks.largest > 50 << 20  # an interpreter with Arrow


def test_sizes_grow_tenfold_up_to_the_most() -> None:
    assert scaling.list_sizes(0) == [] and scaling.list_sizes(10_000) == [10_000]
    assert scaling.list_sizes(10_000_000) == [10_000, 100_000, 1_000_000, 10_000_000]


def test_a_run_has_every_figure(eager: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "PAIRS", 5)
    monkeypatch.setattr(scaling, "FIRST", 100)
    monkeypatch.setattr(copies, "LEAST_PARTS", 1)
    pages = [make_page(number, 300) for number in range(12)] + [make_page(0, 300)]
    data = tmp_path / "pages.jsonl"
    data.write_text("\n".join(json.dumps({"text": page}) for page in pages), "utf-8")
    said: list[str] = []
    options = Options(data=str(data), repeat=1, workers=1, peer=sys.executable, documents=200)
    figures = dedup.run(options, said.append)
    assert figures["data"]["documents"] == 13 and figures["stage"]["dropped"] == {"exact-copy": 1}
    assert set(figures["signatures"]) == {"signatures, Latin"} and "no CJK text to sign" in said
    eager_figures = figures["yardsticks"]["eager"]
    assert eager_figures["kept"] == 1 and eager_figures["rates"]["eager"]["seconds"].median == 0.5
    assert eager_figures["bytes"] < figures["data"]["bytes"]
    assert figures["workers"]["gain"].median == 1.0
    assert [one["documents"] for one in figures["scaling"]] == [100, 200]
    for one in figures["scaling"]:
        assert 0 < one["removed"] <= one["copies_made"] and one["peaks"]["largest"] >= 0
