"""`dspipe trace`: a document is found by whatever names it, and its original is read again from its place."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dspipe.commands.page import pair
from dspipe.recipe import DspipeError
from tests.commands.runs import call, read_documents, read_unused, run_stages, write_recipe, write_sources
from tests.extract.crawls import PARAGRAPH, make_pages
from tests.extract.servers import write_archive

ROOT = Path(__file__).parent.parent.parent


def find(run: Path, source: str, number: int = 0) -> dict[str, Any]:
    return [row for row in read_documents(run) if row["source"] == source][number]


@pytest.fixture
def moving(tmp_path: Path, small: Path) -> Path:
    """A copy of the run and of what it was made of, to be spoiled."""
    shutil.copytree(small.parent.parent, tmp_path / "copy")
    return tmp_path / "copy" / "shards" / "small"


def trace(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("trace", *arguments, "--json")
    way: dict[str, Any] = json.loads(capsys.readouterr().out)
    return way


def test_a_document_is_found_by_id_url_own_id_and_place(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = find(small, "parquet", 2)
    url = find(small, "web")["url"]
    assert trace(capsys, small, url)["extract"]["title"] == "On foxes"
    for name in (row["id"], row["id"][:10], "table.parquet:2", "parquet/table.parquet:2"):
        found = trace(capsys, small, name)["extract"]
        assert found["id"] == row["id"] and {"title", "digest"} < set(found)


def test_what_several_records_have_is_refused_with_their_names(small: Path) -> None:
    with pytest.raises(DspipeError, match="names 5 records; give more of the id, or one place"):
        call("trace", small, "https://rows.example/1")
    with pytest.raises(DspipeError, match="no document's id starts with nothing"):
        call("trace", small, "nothing")


@pytest.mark.parametrize("number", range(22))
def test_the_original_of_every_document_is_read_again(
    small: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    row = read_documents(small)[number]
    way = trace(capsys, small, row["id"], "--page")
    original = way["original"]
    assert original["text"] == row["text"]
    words = "Füchse und Hühner" if row["url"] == "https://example.org/5" else PARAGRAPH
    assert words in original["page"]
    if row["source"] in ("web", "plain"):
        assert "WARC-Target-URI: " in original["warc"] and original["http"].startswith("HTTP/1.1 200 OK")
    if row["source"] == "old":
        assert original["arc"].startswith("https://old.example/ 1.2.3.4")
    if row["source"] in ("lines", "packed"):
        assert json.loads(original["page"])["id"] == row["source_id"]
    if row["source"] in ("parquet", "arrow"):
        assert original["row"] == {
            "id": row["source_id"], "url": row["url"], "score": str(row["origin"]["offset"] / 2)
        }  # fmt: skip
    if row["source"] == "csv":
        assert original["row"]["url"] == row["url"] and original["page"].endswith("\nsecond line")


def test_all_documents_were_asked_for(small: Path) -> None:
    assert len(read_documents(small)) == 22


def test_dropped_records_are_found_by_place_and_url(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unused = read_unused(small)
    assert sorted(row["reason"] for row in unused) == ["malformed", "malformed", "not-html", "status-4xx"]
    for row in unused:
        way = trace(capsys, small, f"{row['source']}/{row['file']}:{row['offset']}", "--page")
        assert way["extract"]["dropped"] == row["reason"] and way["original"]["text"] is None
        assert list(way) == ["extract", "original"]
    way = trace(capsys, small, "https://example.org/2", "--page")
    assert way["extract"]["dropped"] == "status-4xx" and "404 Not Found" in way["original"]["http"]
    assert (
        trace(capsys, small, "https://example.org/3", "--page")["original"]["page"]
        == "(6 bytes of image/png)"
    )


def test_nothing_from_a_page_steers_the_terminal(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("https://example.org/1", "https://example.org/2"):
        call("trace", small, name, "--page")
        shown = capsys.readouterr().out
        assert all(c.isprintable() or c == "\n" for c in shown)
        assert "X-Evil" in shown or "gone" in shown


def test_on_a_terminal_page_and_text_stand_side_by_side(small: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dspipe", "trace", str(small), "https://example.org/1", "--page"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while block := read_terminal(ours):
            shown += block
    os.close(ours)
    assert process.returncode == 0
    lines = shown.decode().replace("\r\n", "\n")
    assert all(c.isprintable() or c == "\n" for c in lines)
    (beside,) = [line for line in lines.splitlines() if "<p>The quick" in line]
    assert beside.count("The quick brown fox") == 2
    assert any("<title>On foxes</title>" in line and "quick" not in line for line in lines.splitlines())


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other side has gone
        return b""


def test_lines_of_a_text_stand_where_the_page_has_them() -> None:
    page = "<title>One & two</title>\n<body>\n<h1>One &amp; <b>two</b></h1><p>Three\nfour</p>\n<i>tail</i>"
    assert list(pair(page, "# One & two\n\nThree four\n")) == [
        ("<title>One & two</title>\n<body>\n", ""),
        ("<h1>One &amp; <b>two</b></h1><p>", "# One & two\n\n"),
        ("Three\nfour</p>\n<i>tail</i>", "Three four\n"),
    ]
    assert "".join(left for left, _ in pair("<<<<&&&& a" * 1000, "a b c\n" * 50)) == "<<<<&&&& a" * 1000


def test_a_file_that_is_gone_is_said_and_a_recipe_may_say_where_it_is(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = find(moving, "web")["id"]
    (moving.parent.parent / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(
        DspipeError, match=r"web/a.warc.gz cannot be read again: it is not at data/\*.warc.gz"
    ):
        call("trace", moving, name, "--page")
    recipe = write_recipe(tmp_path, tmp_path / "elsewhere", "moved.toml")
    assert "On foxes" in trace(capsys, moving, name, "--page", "--recipe", recipe)["original"]["page"]


@pytest.mark.parametrize(
    "source", ["web", "plain", "old", "wet", "lines", "packed", "csv", "parquet", "arrow", "text"]
)
def test_a_file_that_has_changed_is_said(moving: Path, tmp_path: Path, source: str) -> None:
    row = find(moving, source, -1)
    files = sorted((moving.parent.parent / "data").glob(row["origin"]["file"]))
    content = files[0].read_bytes()
    write_sources(tmp_path / "other")
    for changed in (b"x" + content, b"", b"\0" * len(content), content[: len(content) // 2]):
        files[0].write_bytes(changed)
        with pytest.raises(
            DspipeError, match=r"has changed; put the old file back|cannot be read|has no column"
        ):
            call("trace", moving, row["id"], "--page")


def test_a_file_that_has_only_grown_still_shows_its_records(
    moving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = moving.parent.parent / "data" / "a.warc.gz"
    file.write_bytes(file.read_bytes() * 2)
    assert "On foxes" in trace(capsys, moving, find(moving, "web")["id"], "--page")["original"]["page"]


def test_secrets_in_addresses_stay_out_of_the_manifest() -> None:
    from dspipe.extract.sources.find import note_addresses
    from dspipe.recipe import Extract, Source

    paths = {
        "a": "https://me:word@host.example/x.warc.gz?token=1",
        "b": "hf://datasets/who/what@main/*.parquet",
        "c": "cc://CC-MAIN-2024-10?kind=wet&files=0",
        "d": "data/what?.txt",
    }
    sources = [Source(name=name, path=path) for name, path in paths.items()]
    noted = note_addresses(Extract(sources=sources, common_crawl="https://me:w/o@rd@mirror.example/"))
    assert noted["sources"] == paths | {"a": "https://…@host.example/x.warc.gz?…"}
    assert noted["common_crawl"] == "https://…@mirror.example/"


def test_a_run_from_a_mirror_is_traced_against_that_mirror(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = write_archive(tmp_path / "mirror", {"0.warc.gz": b"".join(make_pages(3))})
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        f'name = "small"\n[extract]\ncommon_crawl = "{tmp_path}/mirror"\n'
        f'[[extract.sources]]\nname = "cc"\npath = "{address}"\n'
    )
    run_stages(tmp_path, recipe, "extract")
    run = tmp_path / "shards" / "small"
    name = find(run, "cc", 1)["id"]
    assert "Page 1." in trace(capsys, run, name, "--page")["original"]["page"]
    (tmp_path / "mirror").rename(tmp_path / "moved")
    with pytest.raises(DspipeError, match="cannot be read again"):
        call("trace", run, name, "--page")
    recipe.write_text(recipe.read_text().replace("/mirror", "/moved"))
    assert "Page 1." in trace(capsys, run, name, "--page", "--recipe", recipe)["original"]["page"]


def test_a_page_of_nothing_but_tags_is_searched_in_time() -> None:
    began = time.monotonic()
    assert len(list(pair("<a>" * 60_000, "a b\n" * 5))) == 1
    assert time.monotonic() - began < 5


def test_a_document_without_its_sources_path_asks_for_the_recipe(moving: Path, tmp_path: Path) -> None:
    manifest = moving / "documents" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["facts"]["sources"]["web"] = "https://host.example/x.warc.gz?…"
    del content["facts"]["sources"]["text"]
    manifest.write_text(json.dumps(content))
    for source in ("web", "text"):
        with pytest.raises(DspipeError, match="--recipe FILE"):
            call("trace", moving, find(moving, source)["id"], "--page")


def test_a_run_on_the_same_files_has_the_same_ways(
    tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = small.parent.parent / "data"
    run_stages(tmp_path, write_recipe(tmp_path, data), "extract")
    name = find(small, "web")["id"]
    original = trace(capsys, tmp_path / "shards" / "small", name, "--page")["original"]
    assert original == trace(capsys, small, name, "--page")["original"]


def test_artifacts_that_a_run_took_from_another_are_found_there(
    moving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = find(moving, "web")["id"]
    whole = trace(capsys, moving, name, "--page")
    (moving.parent / "another").mkdir()
    for artifacts in (["documents"], ["signals", "filtered"]):
        for artifact in artifacts:
            (moving / artifact).rename(moving.parent / "another" / artifact)
        assert trace(capsys, moving, name, "--page") == whole
