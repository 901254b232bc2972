"""Originals are read again from wherever they lie, and what killed a worker is not decoded a second time."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dspipe.commands.page import is_same
from dspipe.extract.original import DEADLY, read_original
from dspipe.extract.sources.common_crawl import find_archived
from dspipe.extract.sources.locate import locate_file
from dspipe.recipe import DspipeError, Extract, Source
from dspipe.shards import Counts, Manifest
from tests.commands.runs import write_sources
from tests.extract.crawls import PARAGRAPH, make_answer, make_page, make_pages, make_record, open_file
from tests.extract.servers import serve_s3, serve_web, write_archive


def read_page(source: Source, path: str, offset: int, settings: Extract) -> str:
    original = read_original(locate_file(source, path, settings, []), offset, settings)
    assert original is not None
    return original.page


def test_a_page_of_common_crawl_is_asked_for_alone(tmp_path: Path) -> None:
    pages = make_pages(40)
    address = write_archive(tmp_path, {f"{number}.warc.gz": b"".join(pages) for number in range(5)})
    source, offset = Source(name="cc", path=address), sum(map(len, pages[:30]))
    path = "segments/1700000000000.1/warc/3.warc.gz"
    with serve_web(tmp_path) as (server, behaviour):
        settings = Extract(common_crawl=server, retries=1)
        assert "Page 30." in read_page(source, path, offset, settings)
        assert {asked.rpartition("/")[2] for asked in behaviour.asked} == {"3.warc.gz"}
        with pytest.raises(DspipeError, match=r"cc: .*no file matches .*9\.warc\.gz"):
            read_page(source, path.replace("3.warc", "9.warc"), offset, settings)
    assert "Page 30." in read_page(source, path, offset, Extract(common_crawl=str(tmp_path)))
    find_archived.cache_clear()


def test_a_page_in_a_bucket_is_found_by_a_glob_and_by_its_address(tmp_path: Path) -> None:
    write_sources(tmp_path / "deep" / "data")
    with serve_s3("crawl", tmp_path):
        every = Source(name="s", path="s3://crawl/deep/**/*.jsonl")
        assert "Row 0." in read_page(every, "data/lines.jsonl", 0, Extract())
        one = Source(name="s", path="s3://crawl/deep/data/table.parquet")
        assert "Row 2." in read_page(one, "table.parquet", 2, Extract())


def test_what_killed_a_worker_is_not_decoded_again(tmp_path: Path) -> None:
    write_sources(tmp_path / "data")
    for name, page in (("table.parquet", DEADLY), ("table.arrow", DEADLY), ("table.csv", "text,url,score")):
        original = read_original(open_file(tmp_path / "data" / name), 0, Extract(), deadly=True)
        assert original is not None and original.page == page and original.row == {}


def test_a_deadly_page_is_shown_as_it_is_stored(tmp_path: Path) -> None:
    packed = make_answer(gzip.compress(make_page()), headers="Content-Encoding: gzip\r\n")
    (tmp_path / "x.warc").write_bytes(make_record(packed) + make_record(make_answer(b"<p>\xff deadly")))
    file = open_file(tmp_path / "x.warc")
    first = read_original(file, 0, Extract(), deadly=True)
    second = read_original(file, len(make_record(packed)), Extract(), deadly=True)
    assert first is not None and first.page.endswith("bytes of gzip)")
    assert second is not None and second.page == "<p>\N{REPLACEMENT CHARACTER} deadly"


def test_a_damaged_record_is_shown_as_the_bytes_that_are_there(tmp_path: Path) -> None:
    record = make_record(make_answer(make_page()), length=10)
    for content in (record, gzip.compress(record)):
        (tmp_path / "x.warc").write_bytes(content)
        original = read_original(open_file(tmp_path / "x.warc"), 0, Extract())
        assert original is not None and original.row == {"reason": "malformed"} and PARAGRAPH in original.page


def test_records_of_other_kinds_are_shown(tmp_path: Path) -> None:
    resource = make_record(PARAGRAPH.encode(), "resource").replace(
        b"application/http; msgtype=resource", b"text/plain                        "
    )
    info = make_record(b"software: x\r\n", "warcinfo").replace(b"application/http", b"application/xxxx")
    broken = make_record(b"HTTP/1.1 nonsense")
    for record, page in (
        (resource, PARAGRAPH),
        (info, "(13 bytes of application/xxxx)"),
        (broken, "HTTP/1.1 nonsense"),
    ):
        (tmp_path / "x.warc").write_bytes(record)
        original = read_original(open_file(tmp_path / "x.warc"), 0, Extract())
        assert original is not None and original.page == page


def test_a_page_that_is_too_large_is_shown_by_its_beginning(tmp_path: Path) -> None:
    body = make_page("x" * 300_000)
    bomb = make_answer(gzip.compress(body), headers="Content-Encoding: gzip\r\n")
    (tmp_path / "x.warc").write_bytes(make_record(make_answer(body)) + make_record(bomb))
    settings = Extract(max_page_bytes=10_000)
    file = open_file(tmp_path / "x.warc")
    large, tight = (read_original(file, at, settings) for at in (0, len(make_record(make_answer(body)))))
    assert (
        large is not None
        and large.page.startswith("<html><head><title>T</title>")
        and len(large.page) < 200_000
    )
    assert tight is not None and tight.page.startswith("(too-large: ")


def test_without_anything_to_tell_a_record_by_its_file_must_be_what_it_was(tmp_path: Path) -> None:
    from dspipe.extract.sources.find import describe_sources

    (tmp_path / "x.warc").write_bytes(b"no record")
    source = Source(name="test", path=str(tmp_path / "x.warc"))
    inputs = describe_sources(Extract(sources=[source]))
    manifest = Manifest("extract", "documents", 1, {}, "f", inputs, [], [], Counts(0, 0), {}, "", 0.0)
    row = {"reason": "malformed", "url": None}
    file = open_file(tmp_path / "x.warc")
    assert is_same({"reason": "malformed"}, row, manifest, file)
    assert not is_same({"reason": "truncated"}, row, manifest, file)
    (tmp_path / "x.warc").write_bytes(b"other, but no record either")
    assert not is_same({"reason": "malformed"}, row, manifest, open_file(tmp_path / "x.warc"))
