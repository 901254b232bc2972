"""Which files a source has, under which names, and what is said when there are none."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.registry import _registry

from dspipe.extract.readers import READERS
from dspipe.extract.rows import Rows
from dspipe.extract.sources import file as source_file
from dspipe.extract.sources.find import describe_sources, find_files
from dspipe.extract.sources.patience import Access, Lost
from dspipe.extract.spans import Span
from dspipe.recipe import DspipeError, Extract, RecipeError, Source
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
        ("x.md", "text"), ("x.warc.wat.gz", "wat"), ("x.wat", "wat"), ("x.arc.gz", "arc"), ("x.csv", "csv"),
        ("x.tsv.zst", "csv"), ("x.arrow", "arrow"), ("x.feather", "arrow"), ("x.ipc", "arrow"),
        ("x.jsonl.zstd", "jsonl"),
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
        ("x.dat", 'add format = "warc", wet, wat, arc, jsonl, csv, parquet, arrow or text'),
        ("dangling.txt", "cannot be read: No such file.*mend or remove it"),
    ):
        with pytest.raises(RecipeError, match=rf"^extract\.sources\.web: .*{words}"):
            find(folder / path)
    assert find(folder / "x.dat", format="text")[0].format == "text"
    with pytest.raises(RecipeError, match=r"^extract\.sources: there are none; add"):
        describe_sources(Extract())


def test_a_loop_of_links_is_refused_before_it_is_followed(folder):
    for name in ("one", "two", "three"):  # with more than one, paths are more than can be counted
        (folder / "sub" / name).symlink_to("..")
    for pattern in ("**/*.none", "**", "s*/**/deep/*"):
        with pytest.raises(RecipeError, match=r"^extract\.sources\.web: .*/sub/\S+ leads back to a folder"):
            find(folder / pattern)
    assert names(folder / "*/*.txt") == ["sub/c.txt"]
    (folder / "deep").mkdir()
    (folder / "deep/linked").symlink_to(folder / "sub/deep")
    assert names(folder / "d*/**/*.txt") == ["deep/linked/d.txt"]
    (folder / "self.txt").symlink_to("self.txt")
    with pytest.raises(RecipeError, match=r"self\.txt cannot be read: .*; mend or remove it"):
        find(folder / "*.txt")


def test_no_file_is_found_twice(folder):
    assert names(folder / "**/**/*.txt") == ["b.txt", "sub/c.txt", "sub/deep/d.txt"]
    with pytest.raises(RecipeError, match=r"has \.\. behind a wildcard; name the folders"):
        find(folder / "*/../b.txt")
    assert names(folder / "sub/../*.txt") == ["b.txt"]


def test_folders_alone_are_no_files(folder, monkeypatch):
    monkeypatch.chdir(folder / "sub")
    for path, words in (
        ("..", "is a folder"),
        (".", "is a folder"),
        ("dee*", "no file matches"),
        ("**/", "no "),
    ):
        with pytest.raises(RecipeError, match=words):
            find(path)
    assert names("../b*") == ["b.txt"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.txt", "x.warc.gz"])
def test_a_file_that_vanishes_or_turns_into_a_folder_costs_one_sentence(tmp_path, name):
    path = tmp_path / name
    for change, words in (
        (Path.unlink, "No such file"),
        (lambda p: (p.unlink(), p.mkdir()), "Is a directory"),
    ):
        path.write_bytes(b"x")
        (file,) = find(path)
        change(path)
        with pytest.raises(DspipeError, match=rf"{name} cannot be read: {words}.*; mend or remove it"):
            list(READERS[file.format](file, Span(), Rows(1000), Extract()))
        if path.exists():
            path.rmdir()


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.txt", "x.warc.gz"])
@pytest.mark.parametrize("reads", range(4))
def test_a_disk_that_fails_while_reading_costs_one_sentence(tmp_path, monkeypatch, name, reads):
    class Failing(io.BytesIO):
        left = reads

        def read(self, size=-1):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    content = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), content)
    contents = {"x.parquet": content.getvalue(), "x.warc.gz": b"".join(make_pages(2))}
    (tmp_path / name).write_bytes(contents.get(name, b'{"text": "a"}' + b" " * (3 << 20)))
    (file,) = find(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    opened = []
    monkeypatch.setattr(source_file, "open_address", lambda _: opened.append(Failing(data)) or opened[-1])
    failed = False
    try:
        list(READERS[file.format](file, Span(), Rows(1 << 30), Extract()))
    except DspipeError as error:
        assert "cannot be read: Input/output error; mend" in str(error)
        failed = True
    assert failed == any(stream.left < 0 for stream in opened)


def test_a_name_cannot_steer_a_terminal(tmp_path):
    (tmp_path / "a\x1b[2J\x9b.dat").write_text("x")
    with pytest.raises(RecipeError, match=r"the name of a\\x1b\[2J\\x9b\.dat does not say"):
        find(tmp_path / "*.dat")
    with pytest.raises(RecipeError, match=r"no file matches .*\\x1b"):
        find(tmp_path / "none\x1b")


def test_a_file_that_may_not_be_read_is_refused_for_root_too(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: not str(path).endswith("b.txt"))
    with pytest.raises(RecipeError, match=r"b\.txt may not be read; change its permissions or the path"):
        find(folder / "*.txt")


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
    monkeypatch.delitem(_registry, "s3", raising=False)  # another test may have used it
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
    heavy = ("pyarrow", "fsspec", "numpy", "aiohttp")
    code = f"import sys, dspipe.extract.sources.find; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("data/me:word@what?.txt", "data/me:word@what?.txt"),
        ("cc://CC-MAIN-2024-10?kind=wet", "cc://CC-MAIN-2024-10?kind=wet"),
        ("hf://datasets/who/what@main/*.parquet", "hf://datasets/who/what@main/*.parquet"),
        ("https://host:8080/x", "https://host:8080/x"),
        ("https://me:word@host:8080/x.gz?token=1", "https://…@host:8080/x.gz?…"),
        ("https://token@host/x", "https://…@host/x"),
        ("https://me:wo/rd@host/x", "https://…@host/x"),
        ("https://me:wo?rd@host/x", "https://…"),
        ("https://me:w@o/rd@host/x", "https://…@host/x"),
        ("s3://me:wo@rd@bucket/x", "s3://…@bucket/x"),
        ("https://host/x?mail=me@there", "https://host/x?…"),
        ("zip://*.txt::https://me:word@host/x.zip?a", "zip://*.txt::https://…@host/x.zip?…"),
        ("blockcache::https://me:wo::rd@host/x", "blockcache::https://…@host/x"),
    ],
)
def test_what_may_be_secret_in_an_address_is_hidden(address, shown):
    assert source_file.hide_secrets(address) == shown


@pytest.mark.parametrize(
    "address",
    [
        "https://user:word@127.0.0.1:9/x.txt?word",
        "https://user:word/1@127.0.0.1:9/x.txt",
        "https://user:word@[x/x.txt",
        "ftp://user:word@127.0.0.1:9/x.txt",
        "simplecache::https://user:word@127.0.0.1:9/*.txt?word",
        "nothing://user:word@127.0.0.1/x.txt",
    ],
)
def test_no_sentence_tells_a_password(address):
    source = Source(name="web", path=address)
    with pytest.raises(DspipeError) as refused:
        find_files(source, Extract(retries=0))
    assert "word" not in str(refused.value)
    file = source_file.SourceFile("web", address, "x", None, "text", None, source.columns, Access(0))
    with pytest.raises(DspipeError) as refused, source_file.open_source(file) as stream:
        try:
            stream.read(1)
        except Exception as error:
            raise source_file.unreadable(file, error) from error
    assert "word" not in str(refused.value)


def test_an_error_that_has_lost_its_cause_can_be_told():
    assert source_file.describe_error(Lost(3)) == "the server failed (asked 3 times)"
