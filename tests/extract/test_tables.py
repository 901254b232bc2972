"""JSON lines, Parquet and text files: columns, offsets, and what is wrong in them."""

import bz2
import gzip
import json
import lzma
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dspipe.extract.streams import split_lines
from dspipe.recipe import DspipeError
from tests.extract.crawls import read_file

LINES = [{"text": f"Text {number} ü", "id": number, "url": f"u{number}"} for number in range(500)]
JSONL = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES).encode()


def write(path, content):
    path.write_bytes(content)
    return path


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def compress_xz(data):
    return lzma.compress(data, preset=0)


def lz4(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def members(data):
    return gzip.compress(data[:777]) + gzip.compress(data[777:]) + bytes(512)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, members, bz2.compress, lzma.compress, zstd, lz4])
def test_compression_changes_neither_texts_nor_offsets(tmp_path, compress):
    documents, counts = read_file(write(tmp_path / "x.jsonl", compress(JSONL)))
    assert [d["text"] for d in documents] == [line["text"] for line in LINES]
    assert [d["source_id"] for d in documents] == [str(line["id"]) for line in LINES]
    for document, line in zip(documents, LINES, strict=True):
        assert json.loads(JSONL[document["origin"]["offset"] :].split(b"\n")[0]) == line
    assert counts.in_ == 500


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, compress_xz, zstd])
def test_a_cut_or_damaged_stream_costs_one_counted_record(tmp_path, compress):
    noise = random.Random(1)
    big = b"".join(
        json.dumps({"text": f"{i} {noise.randbytes(500).hex()}"}).encode() + b"\n" for i in range(4000)
    )
    whole = compress(big)
    documents, counts = read_file(write(tmp_path / "x.jsonl", whole[: len(whole) * 3 // 4]))
    assert 1000 < len(documents) < 4000
    assert counts.dropped == {"truncated": 1}
    middle = len(whole) * 3 // 4
    damaged = (
        whole[:middle] + bytes(byte ^ 0xA5 for byte in whole[middle : middle + 99]) + whole[middle + 99 :]
    )
    documents, counts = read_file(write(tmp_path / "x.jsonl", damaged))
    assert len(documents) > 1000
    assert sum(counts.dropped.values()) >= 1


def test_each_bad_line_is_dropped_for_its_reason(tmp_path):
    lines = [
        b'\xef\xbb\xbf{"text": "good"}',
        b"",
        b"   ",
        b'{"text": ',
        b"[1, 2]",
        b'{"text": 5}',
        b'{"text": ["a"]}',
        b'{"text": null}',
        b'{"text": ""}',
        b'{"text": " \\u0000 "}',
        b'{"other": 1}',
        b'{"text": "\xff\xfe"}',
        b'{"text": "\\ud800 alone"}',
        b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"other": ' + b"[" * 100_000 + b'], "text": "a"}',
        b'{"text": 1e999}',
        b'{"text": "a\\u0000b\\u001b[31m\\r\\nc", "language": "EN", "date": 2024, "license": true, '
        b'"url": "x\\ny"}',
    ]
    documents, counts = read_file(write(tmp_path / "x.jsonl", b"\n".join(lines)))
    assert [d["text"] for d in documents] == ["good", "ab[31m\nc"]
    last = documents[1]
    assert (last["language"], last["date"], last["license"], last["url"]) == ("en", "2024", None, "xy")
    assert counts.dropped == {"bad-encoding": 1, "malformed": 8, "empty": 4}


def test_a_language_that_is_no_code_is_left_open(tmp_path):
    lines = [
        json.dumps({"text": "a", "language": language}) for language in ("de", "deu", "German", "zh-CN", 5)
    ]
    documents, _ = read_file(write(tmp_path / "x.jsonl", "\n".join(lines).encode()))
    assert [d["language"] for d in documents] == ["de", "deu", None, None, None]


def test_a_line_without_end_is_too_large_and_is_not_kept():
    blocks = [b"ab\n", *[b"x" * 1000] * 100, b"yy\ncd\n", b"last"]
    lines = list(split_lines(iter(blocks), 5000))
    assert lines == [(0, b"ab"), (3, None), (100_006, b"cd"), (100_009, b"last")]


def test_the_text_column_has_the_name_that_the_recipe_gives(tmp_path):
    path = write(tmp_path / "x.jsonl", b'{"content": "a", "text": "b", "id": "i"}\n')
    assert read_file(path, text="content")[0][0]["text"] == "a"
    documents, _ = read_file(path, text="id")
    assert (documents[0]["text"], documents[0]["source_id"]) == ("i", None)


def test_a_file_without_the_text_column_names_those_it_has(tmp_path):
    path = write(tmp_path / "x.jsonl", b'nonsense\n{"content": "a", "n": 1}\n' * 2000)
    with pytest.raises(
        DspipeError, match=r"sources\.test: x\.jsonl has no column text; there are: content, n;"
    ):
        read_file(path)
    pq.write_table(pa.table({"content": ["a"], "n": [1]}), tmp_path / "x.parquet")
    with pytest.raises(DspipeError, match=r"x\.parquet has no column text; there are: content, n;"):
        read_file(tmp_path / "x.parquet")
    with pytest.raises(DspipeError, match=r"column n of x\.parquet holds int64, no text"):
        read_file(tmp_path / "x.parquet", text="n")


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_rows_keep_their_numbers(tmp_path, kind):
    texts = [f"Text {number}" if number % 3 else None for number in range(3000)]
    table = pa.table(
        {
            "text": pa.array(texts).cast(kind),
            "id": range(3000),
            "language": ["en"] * 3000,
            "more": ["x"] * 3000,
        }
    )
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=700)
    documents, counts = read_file(tmp_path / "x.parquet")
    assert [d["origin"]["offset"] for d in documents] == [n for n in range(3000) if n % 3]
    assert all(d["source_id"] == str(d["origin"]["offset"]) and d["language"] == "en" for d in documents)
    assert counts.dropped == {"empty": 1000}


def test_parquet_strings_that_are_not_utf8_are_dropped(tmp_path):
    buffers = [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0"), pa.py_buffer(b"ok\xff\xfe")]
    pq.write_table(pa.table({"text": pa.Array.from_buffers(pa.string(), 2, buffers)}), tmp_path / "x.parquet")
    documents, counts = read_file(tmp_path / "x.parquet")
    assert [d["text"] for d in documents] == ["ok"]
    assert counts.dropped == {"bad-encoding": 1}


def test_a_damaged_parquet_file_costs_one_counted_record(tmp_path):
    pq.write_table(pa.table({"text": [f"Text {i} {i * i}" for i in range(5000)]}), tmp_path / "x.parquet")
    whole = (tmp_path / "x.parquet").read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[:2000] + bytes(500) + whole[2500:]):
        _, counts = read_file(write(tmp_path / "x.parquet", content))
        assert counts.dropped == {"malformed": 1}


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_a_text_file_is_one_document_in_whatever_charset(tmp_path, charset):
    text = "Съешь же ещё этих мягких французских булок,\nда выпей чаю, и так каждый день."
    documents, _ = read_file(write(tmp_path / "x.txt", text.replace("\n", "\r\n").encode(charset)))
    assert [(d["text"], d["origin"]) for d in documents] == [(text, {"file": "x.txt", "offset": 0})]


def test_a_text_file_that_expands_without_end_is_too_large(tmp_path):
    path = write(tmp_path / "x.txt.gz", gzip.compress(b"x" * (64 << 20)))
    assert read_file(path, max_characters=1000)[1].dropped == {"too-large": 1}
    assert read_file(write(tmp_path / "y.md", b" \n\0"))[1].dropped == {"empty": 1}
