"""`cc://` addresses: the files that a listing names, from a server with Common Crawl's layout that fails."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dspipe.extract.sources import common_crawl
from dspipe.extract.sources.find import describe_sources, find_all_files, find_files
from dspipe.recipe import DspipeError, Extract, RecipeError, Source
from tests.extract.crawls import make_pages, make_record
from tests.extract.servers import CRAWL, make_texts, serve_s3, serve_web, write_archive

ROOT = Path(__file__).parent.parent.parent
FILES = {
    f"CC-MAIN-20240220211055-0000{number}.warc.gz": b"".join(make_pages(20, 20 * number))
    for number in range(6)
}


@pytest.fixture
def archive(tmp_path):
    write_archive(tmp_path / "archive", FILES)
    write_archive(tmp_path / "archive", {"0.warc.wet.gz": b"x", "1.warc.wet.gz": b"xy"}, "wet")
    write_archive(tmp_path / "archive", {"0.warc.wat.gz": b"x"}, "wat")
    return tmp_path / "archive"


def find(query, base, **settings):
    common_crawl.find_archived.cache_clear()
    source = Source(name="cc", path=f"cc://{CRAWL}{query}")
    return find_files(source, Extract(common_crawl=str(base), **settings))


def numbers(query, base):
    return [int(file.path[-9]) for file in find(query, base)]


def test_files_are_chosen_by_their_numbers(archive):
    with serve_web(archive) as (address, _):
        for base in (f"{address}/", address, archive, f"{archive}/", f"file://{archive}"):
            for query, chosen in (
                ("", [0, 1, 2, 3, 4, 5]), ("?kind=warc", [0, 1, 2, 3, 4, 5]), ("?files=2", [2]),
                ("?files=1-3", [1, 2, 3]), ("?kind=warc&files=0-1,5", [0, 1, 5]), ("?files=3,1-3", [1, 2, 3]),
            ):  # fmt: skip
                assert numbers(query, base) == chosen
        for base in (address, archive):
            assert [(file.format, file.bytes) for file in find("?kind=wet", base)] == [("wet", 1), ("wet", 2)]
            assert [file.format for file in find("?kind=wat", base)] == ["wat"]
        (file,) = find("?files=4", address)
    name = "CC-MAIN-20240220211055-00004.warc.gz"
    assert file.path == f"segments/1700000000000.1/warc/{name}"
    assert file.address == f"{address}/crawl-data/{CRAWL}/{file.path}"
    assert (file.bytes, file.format) == (len(FILES[name]), "warc")


def test_the_base_may_be_a_bucket(archive):
    with serve_s3("commoncrawl", archive):
        assert numbers("?files=1-2", "s3://commoncrawl/") == [1, 2]
        (file,) = find("?files=0", "s3://commoncrawl")
        assert file.address.startswith(f"s3://commoncrawl/crawl-data/{CRAWL}/segments/")
        assert file.bytes == len(FILES["CC-MAIN-20240220211055-00000.warc.gz"])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?files=0-6", f"asks for file 6, but {CRAWL} has 6 warc files, numbered from 0; choose among these"),
        ("?kind=wet&files=9", f"asks for file 9, but {CRAWL} has 2 wet files"),
        ("?file=3", "has no setting file; there are kind and files"),
        ("?kind=robotstxt", "has the kind robotstxt; there are warc, wet, wat"),
        ("?files=", "has files=; write numbers like 0-99 or 0-9,50"),
        ("?files=a-b", "has files=a-b; write numbers"),
        ("?files=-3", "has files=-3; write numbers"),
        ("?files=1&files=3", "has a setting twice; give each once"),
        ("?files=5-3", "has files=5-3; the smaller number comes first"),
        ("#x", "does not name a crawl; write it like cc://CC-MAIN-2024-10"),
        ("/../x", "does not name a crawl"),
    ],
)
def test_a_wrong_address_costs_one_sentence(archive, query, words):
    with pytest.raises(RecipeError) as caught:
        find(query, archive)
    assert str(caught.value).startswith(f"extract.sources.cc: cc://{CRAWL}{query} {words}")


def test_a_crawl_that_is_not_there_is_named(archive):
    source = Source(name="cc", path="cc://CC-MAIN-1999-01?files=0")
    with serve_web(archive) as (address, behaviour):
        for base in (address, str(archive)):
            for status in ("404", "403"):
                behaviour.faults = lambda *_, status=status: status
                with pytest.raises(
                    RecipeError, match=rf"^extract\.sources\.cc: {base}/ has no crawl CC-MAIN-1999-01, "
                ):
                    find_files(source, Extract(common_crawl=base))
        behaviour.faults = lambda *_: "503"
        with pytest.raises(
            DspipeError, match=r"warc\.paths\.gz cannot be read: 503 .*; run the same command again"
        ):
            find_files(source, Extract(common_crawl=address, retries=0))
        behaviour.faults = lambda path, _: None if path.endswith("paths.gz") else "404"
        with pytest.raises(RecipeError, match=r"^extract\.sources\.cc: no file matches http"):
            find("?files=0", address)


def test_a_listing_that_makes_no_sense_is_refused(archive):
    listing = archive / f"crawl-data/{CRAWL}/warc.paths.gz"
    whole = gzip.compress(f"crawl-data/{CRAWL}/a\n".encode() * 1000)
    for content, words in (
        (whole[:-20], "is damaged"),
        (b"<html>", "is damaged"),
        (whole[:30] + b"\xff" * 20, "is damaged"),
        (gzip.compress(b"crawl-data/CC-MAIN-2023-50/a\n"), "names files that do not belong to the crawl"),
        (gzip.compress(f"crawl-data/{CRAWL}/../../x\n".encode()), "names files that do not belong"),
        (gzip.compress(f"crawl-data/{CRAWL}/{'x' * 10000}\nhttp://a/b".encode()), "names files that do not"),
    ):
        listing.write_bytes(content)
        with pytest.raises(RecipeError, match=rf"the listing /.*warc\.paths\.gz {words}"):
            find("", archive)


def test_listing_and_sizes_survive_a_failing_server(archive):
    faults = lambda _, number: "503 after 0" if number < 2 else None  # noqa: E731
    with serve_web(archive, faults=faults) as (address, behaviour):
        assert [file.bytes for file in find("", address)] == [len(content) for content in FILES.values()]
        assert set(behaviour.asked.values()) == {3}


def test_sizes_are_asked_for_side_by_side_within_the_bound(archive):
    with serve_web(archive, pause=0.1) as (address, behaviour):
        find("", address, connections=4)
        assert behaviour.most == 4


def test_the_fingerprint_knows_paths_and_sizes_and_fetches_nothing(archive):
    source = Source(name="cc", path=f"cc://{CRAWL}?files=0-1")
    common_crawl.find_archived.cache_clear()
    with serve_web(archive) as (address, behaviour):
        settings = Extract(sources=[source], common_crawl=address)
        described = describe_sources(settings)
        assert [entry["file"][-9:] for entry in described] == ["0.warc.gz", "1.warc.gz"]
        assert [entry["bytes"] for entry in described] == [
            len(FILES[entry["file"][30:]]) for entry in described
        ]
        assert len(behaviour.asked) == 3
        before = sum(behaviour.asked.values())
        assert len(find_all_files(settings)) == 2
        assert sum(behaviour.asked.values()) == before  # known already
    assert describe_sources(Extract(sources=[source], common_crawl=str(archive))) == described


def run_recipe(folder, name, path, base, wait=True, **settings):
    """`dspipe run` up to `extract`, in a process of its own; gives its documents, or the process."""
    keys = "".join(f"{key} = {value}\n" for key, value in settings.items())
    (folder / f"{name}.toml").write_text(
        f'name = "{name}"\n[extract]\ncommon_crawl = "{base}"\n{keys}'
        f'[[extract.sources]]\nname = "cc"\npath = "{path}"\n'
    )
    command = [sys.executable, "-m", "dspipe", "run", f"{name}.toml", "--until", "extract"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    options = {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen([*command, "--workers", "2" if wait else "1"], **options)
    if not wait:
        return process
    output, _ = process.communicate()
    assert process.returncode == 0, output.decode()
    parts = sorted((folder / f"shards/{name}/documents").glob("part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def test_a_run_over_a_failing_server_writes_what_a_local_run_writes(tmp_path):
    faults = ["503 after 0", "429 after 0", "500", "cut", "short", "503 after 1"]
    files = {f"0000{number}.warc.wet.gz": make_texts(500, 500 * number) for number in range(6)}
    # what is truncated at the server is no fault of the connection: it is as it is in a local file
    files["00002.warc.wet.gz"] = files["00002.warc.wet.gz"][:-100]
    address = write_archive(tmp_path / "archive", files, "wet")
    local = run_recipe(tmp_path, "local", f"{tmp_path}/archive/**/*.wet.gz", tmp_path)
    assert len(local) == 2999

    def fail(path, number):
        return faults[int(path[-13])] if path.endswith("wet.gz") and number in (1, 2) else None

    with serve_web(tmp_path / "archive", faults=fail, pause=0.02) as (base, behaviour):
        remote = run_recipe(tmp_path, "remote", address, f"{base}/", connections=3)
        assert behaviour.most <= 3
    assert [row["text"] for row in remote] == [row["text"] for row in local]
    assert [row["url"] for row in remote] == [row["url"] for row in local]


def make_large(number):
    """A WET file of more than 16 MiB, so that it is a task of its own; most of it is no text."""
    noise = make_record(random.Random(number).randbytes(1 << 20), "resource")
    return make_texts(5, 5 * number) + gzip.compress(noise, 0) * 17


def test_a_killed_run_goes_on_without_fetching_what_is_finished(tmp_path):
    files = {f"0000{number}.warc.wet.gz": make_large(number) for number in range(4)}
    address = write_archive(tmp_path / "archive", files, "wet")
    local = run_recipe(tmp_path, "local", f"{tmp_path}/archive/**/*.wet.gz", tmp_path)
    reached = threading.Event()

    def stop_at_the_third(path, number):
        if path.endswith("2.warc.wet.gz") and number > 2:
            reached.set()
            return "silent"
        return None

    with serve_web(tmp_path / "archive", faults=stop_at_the_third) as (base, behaviour):
        process = run_recipe(tmp_path, "remote", address, base, wait=False)
        with process:
            assert reached.wait(60)
            os.kill(process.pid, signal.SIGKILL)
        behaviour.faults = lambda *_: None
        behaviour.log.clear()
        remote = run_recipe(tmp_path, "remote", address, base)
    fetched = {name: sum(sent for path, _, sent in behaviour.log if path.endswith(name)) for name in files}
    whole = {name: len(content) for name, content in files.items()}
    assert (
        fetched["00000.warc.wet.gz"] <= 1 and fetched["00001.warc.wet.gz"] <= 1
    )  # asked for their sizes only
    assert fetched["00002.warc.wet.gz"] >= whole["00002.warc.wet.gz"]
    assert fetched["00003.warc.wet.gz"] >= whole["00003.warc.wet.gz"]
    assert [row["text"] for row in remote] == [row["text"] for row in local]
    assert len(remote) == 20


def test_an_address_that_cannot_be_taken_apart_costs_one_sentence():
    with pytest.raises(RecipeError, match=r"cc://\[x is no address .*; write it like cc://CC-MAIN"):
        find_files(Source(name="cc", path="cc://[x"))
