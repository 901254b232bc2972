"""JSON lines, Parquet and text files: columns, offsets, and what is wrong in them."""

import bz2
import gzip
import json
import lzma
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dspipe.extract.rows import LONGEST_LABEL, clean_text
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


def read_dates(tmp_path, column):
    pq.write_table(pa.table({"text": ["a"] * len(column), "date": column}), tmp_path / "x.parquet")
    documents, _ = read_file(tmp_path / "x.parquet")
    return [document["date"] for document in documents]


FAR = 1 << 62


@pytest.mark.parametrize(
    ("numbers", "kind", "dates"),
    [
        ([1, None], pa.timestamp("ns"), ["1970-01-01T00:00:00.000000001", None]),
        ([0, FAR], pa.timestamp("us"), ["1970-01-01T00:00:00.000000", None]),
        ([FAR, 0], pa.timestamp("ms", "UTC"), [None, "1970-01-01T00:00:00.000Z"]),
        ([0], pa.timestamp("us", "No/Where"), [None]),
        ([1, (1 << 31) - 1, None], pa.date32(), ["1970-01-02", None, None]),
        ([FAR], pa.duration("us"), [str(FAR)]),
        ([FAR], pa.time64("ns"), [None]),
    ],
)
def test_a_date_of_whatever_type_is_written_out_or_left_open(tmp_path, numbers, kind, dates):
    plain = pa.array(numbers, pa.int32() if pa.types.is_date32(kind) else pa.int64())
    assert read_dates(tmp_path, plain.cast(kind)) == dates


def test_types_that_make_no_label_are_left_out(tmp_path):
    for column in ([[1]], [{"a": 1}], [True], pa.array(["1"]).cast(pa.decimal128(5, 2)), pa.nulls(1)):
        assert read_dates(tmp_path, pa.array(column) if isinstance(column, list) else column) == [None]
    assert read_dates(tmp_path, pa.array([2024, None])) == ["2024", None]
    assert read_dates(tmp_path, pa.array(["x", None]).dictionary_encode()) == ["x", None]
    assert read_dates(tmp_path, pa.array([b"ab"], pa.binary(2))) == ["ab"]


def test_of_two_columns_of_one_name_the_text_is_refused_and_a_label_ignored(tmp_path):
    def write_columns(*names):
        columns = [pa.array([name]) for name in names]
        pq.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / "x.parquet")

    write_columns("text", "url", "url", "id")
    (document,), _ = read_file(tmp_path / "x.parquet")
    assert (document["text"], document["url"], document["source_id"]) == ("text", None, "id")
    write_columns("text", "url", "text")
    with pytest.raises(DspipeError, match=r"sources\.test: x\.parquet has 2 columns text; rename"):
        read_file(tmp_path / "x.parquet")


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_to_a_parquet_file_raises(tmp_path, seed):
    table = pa.table(
        {"text": [f"Text {i}" for i in range(50)], "date": pa.array(range(50), pa.timestamp("us"))}
    )
    pq.write_table(table, tmp_path / "x.parquet", compression="none", column_encoding=None)
    whole, noise = (tmp_path / "x.parquet").read_bytes(), random.Random(seed)
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(noise.randrange(1, 5)):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        try:
            _, counts = read_file(write(tmp_path / "x.parquet", bytes(damaged)))
        except DspipeError as error:  # the text column lost its name or its type
            assert "column" in str(error)
        else:
            assert counts.dropped.get("malformed", 0) <= 1


GROWTH = """
import resource, sys
from tests.extract.crawls import read_file
import pyarrow.parquet

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

read_file(sys.argv[1])
before = peak()
documents, counts = read_file(sys.argv[2], int(sys.argv[3]))
print(peak() - before, len(documents), counts.dropped)
"""


def measure(tmp_path, path, max_characters):
    """The MiB that reading a file adds to a process, and what is printed of its rows."""
    small = tmp_path / f"small{path.suffix}"
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": ["a"]}), small)
    else:
        small.write_text('{"text": "a"}')
    command = [sys.executable, "-c", GROWTH, str(small), str(path), str(max_characters)]
    growth, _, rest = subprocess.check_output(command, text=True).strip().partition(" ")
    return int(growth), rest


@pytest.mark.parametrize("column", ["text", "url"])
def test_one_large_entry_for_every_row_of_a_parquet_file_is_held_once(tmp_path, column):
    path, large = tmp_path / "x.parquet", pa.array(["x" * (4 << 20)])
    labels = {"text": ["a"] * 200} if column == "url" else {}
    entries = pa.DictionaryArray.from_arrays(pa.array([0] * 200), large)
    bomb = pa.table({column: entries, **labels})
    pq.write_table(bomb, path, compression="zstd", dictionary_pagesize_limit=1 << 30, store_schema=False)
    assert path.stat().st_size < 10_000
    growth, rest = measure(tmp_path, path, 1000)
    assert rest == ("0 {'too-large': 200}" if column == "text" else "200 {}")
    assert growth < 64


def test_values_that_share_their_beginnings_are_held_one_at_a_time(tmp_path):
    path, table = tmp_path / "x.parquet", pa.table({"text": [f"{'x' * (2 << 20)}{i}" for i in range(64)]})
    pq.write_table(table, path, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"})
    growth, rest = measure(tmp_path, path, 1000)
    assert (rest, growth < 64) == ("0 {'too-large': 64}", True)


@pytest.mark.parametrize("key", ["text", "url", "other"])
def test_a_long_line_of_empty_lists_does_not_become_as_many_objects(tmp_path, key):
    others = "" if key == "text" else ', "text": "a"'
    line = f'{{"{key}": [' + "[]," * (8 << 20) + f"0]{others}}}"
    growth, rest = measure(tmp_path, write(tmp_path / "x.jsonl", line.encode()), 1000)
    assert rest == ("0 {'malformed': 1}" if key == "text" else "1 {}")
    assert growth < 4 * 24  # the line, and copies while it is put together


@pytest.mark.parametrize("number", [0x1B, 0x7F, *range(0x80, 0xA0)])
def test_no_control_character_passes(number):
    assert clean_text(f"a{chr(number)}b") == ("a\nb" if number == 0x85 else "ab")


def test_labels_have_no_control_characters_and_a_largest_length(tmp_path):
    most, more = "u" * LONGEST_LABEL, "u" * (LONGEST_LABEL + 1)
    urls = ["a\x85\x9b31m\x1b\n\tb", most, more, "ü" * LONGEST_LABEL, "😀" * LONGEST_LABEL, "x" * (1 << 20)]
    labels = [{"id": url, "url": url, "date": url, "license": url} for url in urls]
    lines = "\n".join(json.dumps({"text": "a", **label}) for label in labels)
    pq.write_table(pa.Table.from_pylist([{"text": "a", **label} for label in labels]), tmp_path / "x.parquet")
    for path in (write(tmp_path / "x.jsonl", lines.encode()), tmp_path / "x.parquet"):
        documents, _ = read_file(path)
        for label in ("source_id", "url", "date", "license"):
            assert [document[label] for document in documents] == ["a31mb", most, None, *urls[3:5], None]


def test_names_from_a_file_cannot_steer_a_terminal(tmp_path):
    row = {"a\x9b\x1b[2J\n\u202e": "x"} | {f"c{number}": "x" for number in range(50)}
    path = tmp_path / "x\x1b.parquet"
    pq.write_table(pa.Table.from_pylist([row]), path)
    lines = write(tmp_path / "x\x1b[2J.jsonl", json.dumps(row).encode())
    for file in (lines, path):
        with pytest.raises(DspipeError) as caught:
            read_file(file)
        words = str(caught.value)
        assert words.isprintable()
        assert r"a\x9b\x1b[2J\n\u202e, c0, c1" in words
        assert "c18, …;" in words
        assert r"x\x1b" in words
    with pytest.raises(DspipeError) as caught:
        read_file(path, text="a\x9b")
    assert str(caught.value).isprintable()
    pq.write_table(pa.table({"text": [{"\x1b": 1}]}), path)
    with pytest.raises(DspipeError, match=r"holds struct<\\x1b: int64>, no text"):
        read_file(path)


def test_the_names_in_a_broken_file_are_left_out(tmp_path):
    path = write(tmp_path / "x.jsonl.gz", gzip.compress(random.Random(1).randbytes(9999))[:-2000])
    with pytest.raises(DspipeError, match=r'has no column a"b; there are: none'):
        read_file(path, text='a"b')


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_a_text_file_is_one_document_in_whatever_charset(tmp_path, charset):
    text = "Съешь же ещё этих мягких французских булок,\nда выпей чаю, и так каждый день."
    documents, _ = read_file(write(tmp_path / "x.txt", text.replace("\n", "\r\n").encode(charset)))
    assert [(d["text"], d["origin"]) for d in documents] == [(text, {"file": "x.txt", "offset": 0})]


def test_a_text_file_that_expands_without_end_is_too_large(tmp_path):
    path = write(tmp_path / "x.txt.gz", gzip.compress(b"x" * (64 << 20)))
    assert read_file(path, max_characters=1000)[1].dropped == {"too-large": 1}
    assert read_file(write(tmp_path / "y.md", b" \n\0"))[1].dropped == {"empty": 1}
