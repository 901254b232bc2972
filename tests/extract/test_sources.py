"""Which files a source has, under which names, and what is said when there are none."""

import http.server
import os
import subprocess
import sys
import threading
from functools import partial

import pytest

from dspipe.extract.sources import describe_sources, find_files
from dspipe.recipe import Extract, RecipeError, Source
from tests.extract.crawls import make_pages, read_file


def find(path, **settings):
    return find_files(Source(name="web", path=str(path), **settings))


def names(path, **settings):
    return [file.path for file in find(path, **settings)]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.txt", "a.md", "sub/c.txt", "sub/deep/d.txt", "e.warc.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "folder.txt").mkdir()
    return tmp_path


def test_files_come_sorted_and_relative_to_the_fixed_part(folder):
    assert names(folder / "b.txt") == ["b.txt"]
    assert names(folder / "*.txt") == ["b.txt"]
    assert names(folder / "**/*.txt") == ["b.txt", "sub/c.txt", "sub/deep/d.txt"]
    assert names(folder / "s*/*.txt") == ["sub/c.txt"]
    (found,) = find(folder / "sub/c.txt", domain="math")
    assert (found.bytes, found.format, found.domain) == (9, "text", "math")


def test_a_relative_path_starts_from_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert names("sub/*") == ["c.txt"]
    assert names("b.txt") == ["b.txt"]


def test_a_name_with_wildcard_characters_is_a_name_first(tmp_path):
    (tmp_path / "a[1].txt").write_text("x")
    assert names(tmp_path / "a[1].txt") == ["a[1].txt"]


def test_a_name_that_is_not_unicode_can_be_written_down(tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.txt")).write_text("x")
    assert names(tmp_path / "*.txt") == ["a\\xff.txt"]
    assert read_file(tmp_path / "*.txt")[0][0]["origin"]["file"] == "a\\xff.txt"


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("x.warc", "warc"), ("x.warc.gz", "warc"), ("x.warc.zst", "warc"), ("x.wet", "wet"), ("x.wet.gz",
        "wet"), ("x.warc.wet.gz", "wet"), ("x.WARC.GZ", "warc"), ("x.jsonl", "jsonl"), ("x.json.gz", "jsonl"),
        ("x.jsonl.zst", "jsonl"), ("x.ndjson.bz2", "jsonl"), ("x.parquet", "parquet"), ("x.txt", "text"),
        ("x.md", "text"),
    ],
)  # fmt: skip
def test_the_format_follows_from_the_name(tmp_path, name, format):
    (tmp_path / name).write_bytes(b"")
    assert find(tmp_path / name)[0].format == format


def test_every_refusal_names_the_source_and_the_mend(folder):
    (folder / "x.dat").write_text("x")
    (folder / "dangling.txt").symlink_to(folder / "nowhere")
    for path, words in (
        ("none*.txt", "no file matches .*none.*check the path"),
        ("none.txt", "no file matches"),
        ("sub", "is a folder; name its files"),
        ("x.dat", 'add format = "warc"'),
        ("dangling.txt", "cannot be read: No such file.*mend or remove it"),
    ):
        with pytest.raises(RecipeError, match=rf"^extract\.sources\.web: .*{words}"):
            find(folder / path)
    assert find(folder / "x.dat", format="text")[0].format == "text"
    with pytest.raises(RecipeError, match=r"^extract\.sources: there are none; add"):
        describe_sources(Extract())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_or_folder_that_may_not_be_read_is_refused(folder):
    for path, pattern in ((folder / "b.txt", "*.txt"), (folder / "sub", "sub/*")):
        path.chmod(0)
        try:
            with pytest.raises(RecipeError, match="may not be read"):
                find(folder / pattern)
        finally:
            path.chmod(0o755)


def test_permission_is_asked_of_the_system(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("b.txt"))
    with pytest.raises(RecipeError, match=r"b\.txt may not be read; change its permissions"):
        find(folder / "*.txt")


def test_an_address_without_its_driver_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(
        RecipeError, match=r"^extract\.sources\.web: s3:// needs the package s3fs; pip install s3fs"
    ):
        find("s3://bucket/*.parquet")
    with pytest.raises(RecipeError, match=r"web: nonsense://x/y\.txt cannot be read: Protocol not known"):
        find("nonsense://x/y.txt")


def describe(path):
    return describe_sources(Extract(sources=[Source(name="web", path=str(path))]))


def test_the_description_follows_the_bytes_and_not_the_place(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_bytes(b"x" * 1_000_000)
    os.utime(tmp_path / "two/a.txt", (1, 1))
    first = describe(tmp_path / "one/*.txt")
    assert first == describe(tmp_path / "two/*.txt")
    assert first == [{"source": "web", "file": "a.txt", "bytes": 1_000_000, "sample": first[0]["sample"]}]
    for place in (10, 500_000, 999_999):
        with open(tmp_path / "two/a.txt", "r+b") as stream:
            stream.seek(place)
            stream.write(b"y")
        assert describe(tmp_path / "two/*.txt") != first
        (tmp_path / "two/a.txt").write_bytes(b"x" * 1_000_000)


def test_finding_files_imports_no_array_library():
    heavy = ("pyarrow", "fsspec", "numpy")
    code = f"import sys, dspipe.extract.sources; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.fixture
def server(tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_): ...

    (tmp_path / "served").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield tmp_path / "served", f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_web_address_gives_the_same_rows_as_a_file(server):
    pytest.importorskip("aiohttp")
    folder, address = server
    (folder / "x.warc.gz").write_bytes(b"".join(make_pages(50)))
    local = read_file(folder / "x.warc.gz")
    assert read_file(f"{address}/x.warc.gz") == local
    assert read_file(f"{address}/x.warc.gz?token=secret") == local
    assert names(f"{address}/*.warc.gz") == ["x.warc.gz"]
    described = describe(f"{address}/x.warc.gz")
    assert (described[0]["file"], described[0]["bytes"]) == (
        "x.warc.gz",
        (folder / "x.warc.gz").stat().st_size,
    )


def test_a_web_address_that_is_not_there_is_refused(server):
    pytest.importorskip("aiohttp")
    with pytest.raises(RecipeError, match=r"web: no file matches http://.*/none\.txt"):
        find(f"{server[1]}/none.txt")
    with pytest.raises(
        RecipeError, match=r"web: no file matches http://127\.0\.0\.1:9/x\.txt \(.*\); check the address"
    ):
        find("http://127.0.0.1:9/x.txt")
