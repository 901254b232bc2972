"""Files on servers that fail in every way give what local files give, or one sentence."""

from __future__ import annotations

import gzip
import http.client
import json
import multiprocessing
import os
import pickle
import random
import signal
import socket
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dspipe.extract import readers
from dspipe.extract.rows import Rows
from dspipe.extract.sources import connect, patience
from dspipe.extract.sources import slots as slots_module
from dspipe.extract.sources.blocks import LARGEST, Opened, RemoteFile
from dspipe.extract.sources.file import SourceFile, describe_error, open_source
from dspipe.extract.sources.find import describe_sources, find_files
from dspipe.extract.sources.patience import Access, Patience
from dspipe.extract.sources.slots import take_slot
from dspipe.extract.spans import Span
from dspipe.recipe import Columns, DspipeError, Extract, RecipeError, Source
from tests.extract.crawls import make_pages
from tests.extract.servers import make_texts, serve_s3, serve_web

CONTENT = random.Random(1).randbytes(9_000_001)
CRAWL = b"".join(make_pages(300))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "x.txt").write_bytes(CONTENT)
    (folder / "x.warc.gz").write_bytes(CRAWL)
    (folder / "x.warc.wet.gz").write_bytes(make_texts(3000))
    (folder / "empty.txt").write_bytes(b"")
    return folder


@pytest.fixture
def slots(tmp_path, monkeypatch):
    monkeypatch.setattr("dspipe.extract.sources.slots.default_folder", lambda: str(tmp_path / "slots"))


def remote_file(address, size=None, retries=4, format="text", **access):
    name = address.rpartition("/")[2]
    return SourceFile("web", address, name, size, format, None, Columns(), Access(retries, **access))


def read_bytes(file, step=100_000, **options):
    with open_source(file, **options) as stream:
        try:
            return b"".join(iter(lambda: stream.read(step), b""))
        except Exception:
            stream.raise_failure()
            raise


def read_rows(file):
    rows = Rows(10_000_000)
    for _ in readers.READERS[file.format](file, Span(), rows, Extract()):
        pass
    return [batch.to_pylist() for batch in rows.take()]


def find(path, **settings):
    return find_files(Source(name="web", path=str(path)), Extract(**settings))


@pytest.mark.parametrize("fault", ["503", "503 after 3", "429", "500", "cut", "short"])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_what_a_failing_server_sends_is_the_file(folder, fault, ranges, known):
    waits = []
    faults = lambda _, number: fault if number in (0, 2, 3, 5) else None  # noqa: E731
    with serve_web(folder, ranges=ranges, faults=faults) as (address, behaviour):
        file = remote_file(f"{address}/x.txt", len(CONTENT) if known else None)
        assert read_bytes(file, wait=waits.append) == CONTENT
    if fault.startswith("503 after"):
        assert waits and set(waits) == {3.0}
    elif fault[0].isdigit():
        assert waits and set(waits) <= {0.5, 1.0}
    if ranges:  # what has come is not fetched again
        assert sum(sent for _, _, sent in behaviour.log) < 1.5 * len(CONTENT)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_does_not_say_how_long_a_file_is(folder, ranges):
    with serve_web(folder, ranges=ranges, lengths=False) as (address, _):
        assert read_bytes(remote_file(f"{address}/x.txt")) == CONTENT
        assert read_bytes(remote_file(f"{address}/empty.txt")) == b""
        assert [file.bytes for file in find(f"{address}/x.txt")] == [len(CONTENT) if ranges else None]


def test_a_body_that_ends_early_without_a_length_is_noticed_where_the_size_is_known(folder):
    faults = lambda _, number: "short" if number == 0 else None  # noqa: E731
    with serve_web(folder, ranges=False, lengths=False, faults=faults) as (address, _):
        file = remote_file(f"{address}/x.txt", len(CONTENT))
        assert read_bytes(file, wait=lambda _: None) == CONTENT


def test_a_server_that_falls_silent_is_asked_again(folder):
    faults = lambda _, number: "silent" if number == 0 else None  # noqa: E731
    with serve_web(folder, faults=faults) as (address, _):
        file = remote_file(f"{address}/x.warc.gz", silence=0.2)
        assert read_bytes(file, wait=lambda _: None) == CRAWL


def test_waits_double_up_to_a_minute_and_end_in_one_sentence(folder):
    waits = []
    with serve_web(folder, faults=lambda *_: "503") as (address, behaviour):
        file = remote_file(f"{address}/x.txt?token=secret", retries=9)
        with pytest.raises(DspipeError) as caught:
            read_bytes(file, wait=waits.append)
        assert behaviour.asked["/x.txt"] == 10
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert str(caught.value) == (
        f"extract.sources.web: {address}/x.txt?… cannot be read: 503 Service Unavailable (asked 10 times); "
        "run the same command again: finished parts are kept"
    )


def test_failures_are_counted_in_a_row(folder):
    faults = lambda _, number: "503" if number % 3 else None  # noqa: E731
    with serve_web(folder, faults=faults) as (address, _):
        assert read_bytes(remote_file(f"{address}/x.txt", retries=2), wait=lambda _: None) == CONTENT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("7", 7), ("86400", 600), ("soon", 0.5), ("-3", 0.5), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (format_datetime(datetime.now(UTC) + timedelta(hours=9)), 600), ("", 0.5),
    ],
    ids=["none", "some", "a day", "words", "less than none", "a date before", "a date to come", "nothing"],
)  # fmt: skip
def test_what_a_server_asks_to_wait_is_obeyed_within_bounds(value, seconds):
    waits = []
    Patience(1, waits.append).endure(patience.ServerError(503, retry_after=value))
    assert waits == [seconds]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_final_answer_is_one_sentence_at_once(folder, status):
    with serve_web(folder, faults=lambda *_: str(status)) as (address, behaviour):
        words = f"{status} {http.client.responses[status]}"
        with pytest.raises(
            DspipeError, match=rf"^extract\.sources\.web: .*/x\.txt cannot be read: {words}; mend"
        ):
            read_bytes(remote_file(f"{address}/x.txt"))
        with pytest.raises(RecipeError, match=r"web: (no file matches )?http://.*/x\.txt"):
            find(f"{address}/x.txt")
        assert behaviour.asked["/x.txt"] == 2


def test_errors_of_other_drivers_are_understood():
    def caused(error, cause):
        error.__cause__ = cause
        return error

    class DriverError(Exception):
        def __init__(self, **values):
            self.__dict__.update(values)

    def answer(status, **headers):
        return DriverError(response={"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}})

    class HubResponse:
        status_code, headers = 503, {"Retry-After": "4"}

    final = [
        FileNotFoundError("x"), PermissionError("x"), answer(403), caused(PermissionError(), answer(403)),
        DriverError(code=404), socket.gaierror(socket.EAI_NONAME, "unknown name"), ValueError("x"),
        caused(OSError(), ssl.SSLCertVerificationError("expired")),
        type("NoCredentialsError", (Exception,), {})(),
    ]  # fmt: skip
    passing = [
        ConnectionResetError(), TimeoutError(), EOFError(), answer(503), caused(OSError(), answer(429)),
        DriverError(code=500), caused(FileNotFoundError("x"), ConnectionRefusedError()),
        socket.gaierror(socket.EAI_AGAIN, "name server down"), DriverError(response=HubResponse()),
    ]  # fmt: skip
    assert [patience.is_final(error) for error in final] == [True] * len(final)
    assert [patience.is_final(error) for error in passing] == [False] * len(passing)
    assert patience.read_retry_after(answer(503, **{"retry-after": "9"})) == 9
    assert patience.read_retry_after(DriverError(response=HubResponse())) == 4
    assert describe_error(DriverError(status=503, message="Slow Down")) == "503 Slow Down"


def test_a_file_that_changes_while_it_is_read_is_refused(folder):
    with serve_web(folder) as (address, _):
        with pytest.raises(
            DspipeError, match=r"x\.txt cannot be read: it has 9000001 bytes now and had 7 wh"
        ):
            read_bytes(remote_file(f"{address}/x.txt", 7))
        with open_source(remote_file(f"{address}/x.txt", 99_000_001)) as stream:
            stream.seek(50_000_000)
            with pytest.raises(ValueError):
                stream.read(1)
            with pytest.raises(DspipeError, match=r"it has 9000001 bytes now and had 99000001"):
                stream.raise_failure()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_reader_may_jump(folder, ranges):
    draw = random.Random(2)
    with serve_web(folder, ranges=ranges) as (address, behaviour):
        with open_source(remote_file(f"{address}/x.txt", len(CONTENT))) as stream:
            for _ in range(30):
                place, size = draw.randrange(len(CONTENT)), draw.choice([1, 1000, 70_000, 3_000_000])
                assert stream.seek(place) == stream.tell() == place
                assert stream.read(size) == CONTENT[place : place + size]
            assert stream.seek(-5, 2) == len(CONTENT) - 5
            assert stream.read() == CONTENT[-5:] and stream.read() == stream.read(9) == b""
            assert stream.seek(0) == 0 and stream.read() == CONTENT
            assert stream.seekable() == ranges
        if ranges:
            assert max(sent for _, _, sent in behaviour.log) <= LARGEST


def test_a_look_into_the_middle_fetches_little(folder):
    with serve_web(folder) as (address, behaviour):
        with open_source(remote_file(f"{address}/x.txt", len(CONTENT))) as stream:
            stream.seek(4_000_000)
            stream.read(10)
        assert behaviour.log == [("/x.txt", 4_000_000, 65536)]


def test_little_is_fetched_beyond_where_a_reader_stops(folder):
    with serve_web(folder) as (address, behaviour):
        with open_source(remote_file(f"{address}/x.txt", len(CONTENT)), until=3_000_000) as stream:
            while stream.tell() < 3_000_000:
                stream.read(10_000)
        assert max(first + sent for _, first, sent in behaviour.log) <= 3_000_000 + 10_000 + (64 << 10)
        assert read_bytes(remote_file(f"{address}/x.txt"), until=1000) == CONTENT


def test_memory_stays_bounded_whatever_the_size(tmp_path):
    size = 300 << 20
    with (tmp_path / "big.txt").open("wb") as stream:
        stream.truncate(size)
    with serve_web(tmp_path) as (address, _):
        code = (
            "import resource, sys\n"
            "from tests.extract.test_remote import remote_file, open_source\n"
            "measure = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            f"with open_source(remote_file({address!r} + '/big.txt')) as stream:\n"
            "    stream.read(1)\n"
            "    before, count = measure(), 1\n"
            "    while part := stream.read(1 << 20):\n"
            "        count += len(part)\n"
            "print(count, measure() - before)\n"
        )
        count, grown = run_python(code)
    assert count == size
    assert grown < 80 << 10  # KiB


def run_python(code):
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_the_rows_of_a_failing_server_are_those_of_the_local_file(folder):
    (local,) = find(folder / "x.warc.wet.gz")
    expected = read_rows(local)
    assert len(expected[0]) == 3000
    for fault in ("503 after 0", "cut", "short"):
        faults = lambda _, number, fault=fault: fault if number == 1 else None  # noqa: E731
        for ranges in (True, False):
            with serve_web(folder, faults=faults, ranges=ranges) as (address, _):
                (file,) = find(f"{address}/x.warc.wet.gz?token=secret")
                assert read_rows(file) == expected


def test_a_lost_server_costs_no_row_in_silence(folder):
    with serve_web(folder) as (address, behaviour):
        (file,) = find(f"{address}/x.warc.wet.gz", retries=0)
        behaviour.faults = lambda _, number: "503" if number > 1 else None
        with pytest.raises(
            DspipeError, match=r"x\.warc\.wet\.gz cannot be read: 503 Service Unavailable; run the s"
        ):
            read_rows(file)


def test_parquet_is_read_from_the_places_it_needs(tmp_path):
    table = pa.table({"text": [f"text {n}" for n in range(20_000)], "other": [os.urandom(200)] * 20_000})
    pq.write_table(
        table, tmp_path / "x.parquet", row_group_size=2000, use_dictionary=False, compression="none"
    )
    (local,) = find(tmp_path / "x.parquet")
    with serve_web(tmp_path) as (address, behaviour):
        (file,) = find(f"{address}/x.parquet")
        assert read_rows(file) == read_rows(local)
        assert sum(sent for _, _, sent in behaviour.log) < local.bytes


def test_globs_of_web_addresses(folder, tmp_path):
    for name in ("a/1.txt", "a/2.txt", "b/1.txt", "b/x.dat"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    with serve_web(tmp_path) as (address, _):
        assert [(file.path, file.bytes) for file in find(f"{address}/*/*.txt")] == [
            ("a/1.txt", 7), ("a/2.txt", 7), ("b/1.txt", 7),
        ]  # fmt: skip
        with pytest.raises(
            RecipeError, match=r"^extract\.sources\.web: no file matches http://.*/c/\*\.txt; "
        ):
            find(f"{address}/c/*.txt")


@pytest.mark.parametrize("fault", ["503 after 0", "429 after 0", "cut", "short"])
def test_a_listing_that_fails_is_asked_for_again(tmp_path, fault):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.txt").write_text("x")
    with serve_web(tmp_path, faults=lambda _, number: fault if number == 0 else None) as (address, _):
        assert [file.path for file in find(f"{address}/*/*.txt")] == ["a/1.txt"]
    with (
        serve_web(tmp_path, faults=lambda path, _: "503" if path.strip("/") == "a" else None) as (
            address,
            _,
        ),
        pytest.raises(DspipeError, match=r"/\*/\*\.txt cannot be read: 503 .*run the same command again"),
    ):
        find(f"{address}/*/*.txt", retries=0)


def test_a_folder_that_cannot_be_listed_is_not_passed_over():
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe({"/listed/a/1.txt": b"1", "/listed/b/2.txt": b"2"})

    class Failing(type(system)):
        protocol = "failing"
        cachable = False
        find = fsspec.AbstractFileSystem.find  # by walking, as most drivers do

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(path.replace("failing://", "memory://"))

        def ls(self, path, detail=True, **options):
            if path.rstrip("/").endswith("/b"):
                raise ConnectionResetError("Connection reset by peer")
            return super().ls(path, detail, **options)

    fsspec.register_implementation("failing", Failing, clobber=True)
    with pytest.raises(DspipeError, match="cannot be read: Connection reset by peer"):
        find("failing://listed/*/*.txt", retries=0)
    assert [file.path for file in find("memory://listed/*/*.txt")] == ["a/1.txt", "b/2.txt"]
    system.rm("/listed", recursive=True)


def test_a_server_that_is_not_there_costs_one_sentence():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/x.txt"
        with pytest.raises(
            DspipeError, match=rf"^extract\.sources\.web: {address} cannot be read: Connect call f"
        ):
            find(address, retries=0)
        with pytest.raises(
            DspipeError, match=rf"^extract\.sources\.web: {address} cannot be read: Connect call f"
        ):
            read_bytes(remote_file(address, retries=1), wait=lambda _: None)


def describe(path, **settings):
    return describe_sources(Extract(sources=[Source(name="web", path=str(path))], **settings))


def test_the_description_does_not_depend_on_where_files_are_or_how_they_are_asked_for(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}.txt").write_bytes(CONTENT[number : 400_000 + number])
    expected = describe(tmp_path / "*.txt")
    faults = lambda _, number: "503 after 0" if number % 2 else None  # noqa: E731
    with serve_web(tmp_path, faults=faults) as (address, _):
        assert describe(f"{address}/*.txt", connections=7) == expected
    with serve_web(tmp_path, ranges=False) as (address, behaviour):  # only the beginning is sampled
        assert [entry["bytes"] for entry in describe(f"{address}/*.txt")] == [400_000] * 40
        assert sum(behaviour.asked.values()) == 3 + 2 * 40


def test_there_are_never_more_connections_than_allowed(folder, slots):
    with serve_web(folder, pause=0.02) as (address, behaviour):
        files = [remote_file(f"{address}/x.warc.gz", connections=3)] * 16
        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(read_bytes, files)) == {CRAWL}
        assert behaviour.most == 3


def read_all(file, count, barrier):
    barrier.wait()
    for _ in range(count):
        assert len(read_bytes(file)) == file.bytes


def test_processes_share_the_connections(folder, tmp_path):
    context = multiprocessing.get_context("spawn")
    with serve_web(folder, pause=0.05) as (address, behaviour):
        file = remote_file(f"{address}/x.warc.gz", len(CRAWL), connections=2, slots=str(tmp_path / "slots"))
        assert pickle.loads(pickle.dumps(file)) == file
        barrier = context.Barrier(4)
        processes = [context.Process(target=read_all, args=(file, 3, barrier)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 4
        assert behaviour.most == 2


def hold_slot(address, folder, pipe):
    with take_slot(address, 1, folder):
        pipe.send("held")
        time.sleep(60)


def test_a_killed_process_frees_its_place(tmp_path):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    address, folder = "https://example.org/x", str(tmp_path / "slots")
    process = context.Process(target=hold_slot, args=(address, folder, theirs))
    process.start()
    assert ours.recv() == "held"
    entered = threading.Event()

    def enter():
        with take_slot(address, 1, folder):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.3)
    os.kill(process.pid, signal.SIGKILL)
    assert entered.wait(10)
    thread.join()
    process.join()
    ours.close(), theirs.close()


def test_places_are_per_server_and_local_files_need_none(tmp_path):
    folder = tmp_path / "slots"
    with take_slot("https://a/x", 1, str(folder)), take_slot("https://a/y", 1, str(folder)):  # one for both
        with take_slot("https://b/x", 1, str(folder)), take_slot("s3://bucket/x", 1, str(folder)):
            assert len(list(folder.iterdir())) == 3
        with take_slot("/local", 1, str(folder)), take_slot("file:///local", 1, str(folder)):
            assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(DspipeError, match=r"connections cannot be counted in .*/file: .*; name .* as TMPDIR"),
        take_slot("https://a/x", 1, str(tmp_path / "file")),
    ):
        pass


@pytest.fixture(scope="module")
def bucket(folder):
    with serve_s3("crawl", folder):
        yield "s3://crawl"


def test_a_bucket_gives_the_bytes_and_the_rows_of_the_local_file(bucket, folder):
    (file,) = find(f"{bucket}/x.t*t")
    assert (file.path, file.bytes) == ("x.txt", len(CONTENT))
    assert read_bytes(file) == CONTENT
    with open_source(file) as stream:
        stream.seek(5_000_000)
        assert stream.read(10) == CONTENT[5_000_000:5_000_010]
    assert [file.path for file in find(f"{bucket}/*.*")] == [
        "empty.txt",
        "x.txt",
        "x.warc.gz",
        "x.warc.wet.gz",
    ]
    assert describe(f"{bucket}/x.*") == describe(folder / "x.*")
    (local,), (remote,) = find(folder / "x.warc.gz"), find(f"{bucket}/x.warc.gz")
    assert read_rows(remote) == read_rows(local)


def test_what_a_bucket_does_not_hold_costs_one_sentence(bucket):
    for path in ("none.txt", "none*.txt"):
        with pytest.raises(RecipeError, match=rf"web: no file matches s3://crawl/{path.replace('*', '.')}"):
            find(f"{bucket}/{path}")
    with pytest.raises(RecipeError, match=r"web: no file matches s3://nobucket/x\.txt"):
        find("s3://nobucket/x.txt")
    with pytest.raises(DspipeError, match=r"s3://crawl/none\.txt cannot be read: .*; mend or remove it"):
        read_bytes(remote_file(f"{bucket}/none.txt"))


class Flaky:
    """A file system whose files fail now and then, and some of which cannot jump."""

    def __init__(self, fails, seekable):
        self.fails, self.can_jump = iter(fails), seekable

    def open(self, path, mode, cache_type):
        import io

        outer = self

        class File(io.BytesIO):
            def read(self, size=-1):
                if next(outer.fails, False):
                    raise ConnectionResetError("reset")
                return super().read(size)

            def seekable(self):
                return outer.can_jump

        return File(CONTENT[:500_000])


@pytest.mark.parametrize("seekable", [True, False])
def test_a_driver_of_any_kind_is_taken_up_again(seekable):
    waits = []
    transport = Opened(Flaky([False, True, False, True, True, False] * 3, seekable), "x", 500_000)
    with RemoteFile(transport, Patience(3, waits.append)) as file:
        assert b"".join(iter(lambda: file.read(9999), b"")) == CONTENT[:500_000]
    assert waits


def test_finding_a_file_system_asks_no_server():
    system, path = connect.find_system("https://nowhere.invalid/x.txt")
    assert path == "https://nowhere.invalid/x.txt" and "https" in system.protocol


def test_a_compressed_answer_is_taken_as_it_is_stored(tmp_path):
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": "a"}).encode()))
    with serve_web(tmp_path) as (address, _):
        (file,) = find(f"{address}/x.jsonl.gz")
        assert read_bytes(file) == Path(tmp_path / "x.jsonl.gz").read_bytes()
        assert replace(file, bytes=None) == remote_file(file.address, retries=8, format="jsonl")


def test_the_first_sentence_does_not_wait_for_the_other_files(folder):
    with serve_web(folder, faults=lambda *_: "503 after 9") as (address, behaviour):
        begun = time.monotonic()
        files = [f"{address}/x.txt", f"{address}/none.txt"]
        behaviour.faults = lambda path, _: "404" if "none" in path else "503 after 99"
        with pytest.raises(OSError, match="404 Not Found"):
            connect.find_sizes(connect.find_system(address)[0], files[::-1], address, Access())
        assert time.monotonic() - begun < 30


@pytest.mark.parametrize("taken", ["file", "link", "open"])
def test_a_folder_for_places_that_is_not_ours_alone_is_not_used(tmp_path, monkeypatch, taken):
    monkeypatch.setattr(slots_module, "gettempdir", lambda: str(tmp_path))
    shared = tmp_path / f"dspipe-{os.getuid()}"
    assert slots_module.default_folder() == str(shared)
    assert shared.stat().st_mode & 0o777 == 0o700
    shared.chmod(0o777)
    if taken != "open":
        shared.rmdir()
        shared.write_text("") if taken == "file" else shared.symlink_to(tmp_path)
    folder = slots_module.default_folder()
    assert folder != str(shared) and Path(folder).stat().st_mode & 0o777 == 0o700
    with take_slot("https://host.example/x", 1, ""):
        assert len(list(Path(folder).iterdir())) == 1
