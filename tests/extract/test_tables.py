"""Parquet and Arrow files: columns, row numbers, spans, and what is wrong in them."""

import gzip
import math
import random
import struct
from dataclasses import replace
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dspipe.extract.rows import LONGEST_LABEL, clean_text
from dspipe.extract.sources.file import open_source
from dspipe.extract.sources.patience import Access
from dspipe.extract.spans import Span
from dspipe.extract.tables import parquet, parquet_pages
from dspipe.recipe import Columns, DspipeError, Extract
from tests.extract.crawls import open_file, read_file, read_span, read_spans
from tests.extract.servers import serve_web
from tests.extract.test_lines import measure, texts, write

SETTINGS = Extract()
TABLE = pa.table(
    {
        "more": [[number] for number in range(300)],
        "text": [f"Text {number} ü" if number % 3 else None for number in range(300)],
        "id": range(300),
        "language": pa.array(["en", "de"] * 150).dictionary_encode(),
        "date": pa.array([date(2024, 1, 1 + number % 28) for number in range(300)]),
        "struct": [{"text": "no", "n": number} for number in range(300)],
    }
)


def write_parquet(path, table, rows=70, **how):
    pq.write_table(table, path.with_suffix(".parquet"), row_group_size=rows, **how)
    return path.with_suffix(".parquet")


def write_ipc(kind, compression):
    def write_file(path, table, rows=70, **how):
        path = path.with_suffix(".arrow")
        options = pa.ipc.IpcWriteOptions(compression=compression, **how)
        with pa.OSFile(str(path), "wb") as sink, kind(sink, table.schema, options=options) as out:
            out.write_table(table, max_chunksize=rows)
        return path

    return write_file


def write_compressed(path, table, rows=70):
    path = write_ipc(pa.ipc.new_stream, None)(path, table, rows)
    return write(path.with_suffix(".arrow.gz"), gzip.compress(path.read_bytes()))


ARROW = {
    "file": write_ipc(pa.ipc.new_file, None),
    "stream": write_ipc(pa.ipc.new_stream, None),
    "zstd": write_ipc(pa.ipc.new_file, "zstd"),
    "lz4": write_ipc(pa.ipc.new_stream, "lz4"),
}
WRITERS = {"parquet": write_parquet, **ARROW, "gz": write_compressed}
every_writer = pytest.mark.parametrize("write_table", WRITERS.values(), ids=WRITERS)
every_arrow_writer = pytest.mark.parametrize("write_table", ARROW.values(), ids=ARROW)


@every_writer
def test_rows_keep_their_numbers_in_spans_and_after_a_break(tmp_path, write_table):
    file = open_file(write_table(tmp_path / "x", TABLE))
    boundaries, documents, unused, counts = read_span(file, Span(), SETTINGS)
    assert boundaries == list(range(301))
    assert [d["origin"]["offset"] for d in documents] == [n for n in range(300) if n % 3]
    assert all(d["source_id"] == str(d["origin"]["offset"]) for d in documents)
    assert [d["language"] for d in documents[:4]] == ["de", "en", "en", "de"]
    assert documents[0]["date"] == "2024-01-02"
    assert counts.dropped == {"empty": 100}
    for step in (100, 997, 5000):
        cuts = list(range(step, file.bytes, step))
        assert read_spans(file, cuts, SETTINGS) == (boundaries, documents, unused)
    for row in (*range(0, 300, 23), 69, 70, 71, 299, 300):
        found = read_span(file, Span(row, None, exact=True), SETTINGS)
        assert found[0] == list(range(row, 301)) or (row, found[0]) == (300, [])
        assert found[1] == [d for d in documents if d["origin"]["offset"] >= row]


@every_writer
@pytest.mark.parametrize("step", [1 << 30, 5000])
def test_what_lies_elsewhere_is_read_the_same(tmp_path, write_table, step):
    path = write_table(tmp_path / "x", TABLE)
    here, there = open_file(path), open_file(f"file://{path}")
    cuts = list(range(step, here.bytes, step))
    assert (there.path, "://" in there.address) == (here.path, True)
    assert read_spans(there, cuts, SETTINGS) == read_spans(here, cuts, SETTINGS)
    found = [read_span(file, Span(77, here.bytes // 2, exact=True), SETTINGS) for file in (here, there)]
    assert found[1][0][: len(found[0][0])] == found[0][0]


@every_writer
def test_a_span_that_was_taken_up_ends_where_it_did(tmp_path, write_table):
    file = open_file(write_table(tmp_path / "x", TABLE))
    end = file.bytes // 2
    boundaries, documents, *_ = read_span(file, Span(0, end), SETTINGS)
    if write_table is not write_compressed:
        assert 70 <= boundaries[-1] < 300
    found = read_span(file, Span(30, end, exact=True), SETTINGS)
    assert found[0] == boundaries[30:]
    assert found[1] == [d for d in documents if d["origin"]["offset"] >= 30]


KINDS = [
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.large_binary(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
]


@every_writer
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_text_is_read_from_any_type_that_holds_one(tmp_path, write_table, kind):
    values = ["a", None, "ü" * 99, "", "b", "b"] * 20
    table = pa.table({"text": pa.array(values).cast(kind), "url": pa.array(values).cast(kind)})
    documents, counts = read_file(write_table(tmp_path / "x", table, 50))
    assert texts(documents) == [value for value in values if value]
    assert [d["url"] for d in documents] == texts(documents)
    assert counts.dropped == {"empty": 40}


VALUES = st.one_of(st.none(), st.text("abü \n", max_size=9))


@every_writer
@given(
    rows=st.lists(st.tuples(VALUES, st.one_of(st.none(), st.integers(-9, 9)), VALUES), max_size=40),
    size=st.integers(1, 20),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tables_are_read_as_python_would(tmp_path, write_table, rows, size):
    text, number, language = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [pa.array(text, pa.string()), pa.array(number, pa.int64())]
    table = pa.table([*columns, pa.array(language, pa.string()).dictionary_encode()], ["text", "id", "title"])
    file = open_file(write_table(tmp_path / "x", table.unify_dictionaries(), size))
    found = read_spans(file, [file.bytes // 3, file.bytes // 2], SETTINGS)[1]
    expected = [
        (clean_text(text), None if number is None else str(number), " ".join((title or "").split()) or None)
        for text, number, title in rows
        if text and clean_text(text)
    ]
    assert [(d["text"], d["source_id"], d["title"]) for d in found] == expected


@every_writer
def test_strings_that_are_not_utf8_are_dropped(tmp_path, write_table):
    buffers = [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0"), pa.py_buffer(b"ok\xff\xfe")]
    strings = pa.Array.from_buffers(pa.string(), 2, buffers)
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1]), strings)
    for column in (strings, coded):
        table = pa.table({"text": column, "url": column})
        documents, counts = read_file(write_table(tmp_path / "x", table))
        if write_table is write_parquet and column is coded:  # which Arrow decodes, and encodes again
            assert counts.dropped == {"malformed": 1}
        else:
            assert texts(documents) == ["ok"]
            assert counts.dropped == {"bad-encoding": len(column) - 1}


def write_dates(write_table, tmp_path, column):
    path = write_table(tmp_path / "x", pa.table({"text": ["a"] * len(column), "date": column}))
    return [document["date"] for document in read_file(path)[0]]


FAR = 1 << 62
BOTH = {"parquet": write_parquet, "arrow": ARROW["file"]}
both_formats = pytest.mark.parametrize("write_table", BOTH.values(), ids=BOTH)


@both_formats
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
def test_a_date_of_whatever_type_is_written_out_or_left_open(tmp_path, write_table, numbers, kind, dates):
    plain = pa.array(numbers, pa.int32() if pa.types.is_date32(kind) else pa.int64())
    assert write_dates(write_table, tmp_path, plain.cast(kind)) == dates


@both_formats
def test_types_that_make_no_label_are_left_out(tmp_path, write_table):
    for column in ([[1]], [{"a": 1}], [True], pa.array(["1"]).cast(pa.decimal128(5, 2)), pa.nulls(1)):
        column = pa.array(column) if isinstance(column, list) else column
        assert write_dates(write_table, tmp_path, column) == [None]
    for column, dates in (
        (pa.array([2024, None]), ["2024", None]),
        (pa.array([0.5]), ["0.5"]),
        (pa.array(["x", None]).dictionary_encode(), ["x", None]),
        (pa.array([datetime(2024, 1, 2)]).dictionary_encode(), ["2024-01-02T00:00:00.000000"]),
        (pa.array([b"ab"], pa.binary(2)), ["ab"]),
    ):
        assert write_dates(write_table, tmp_path, column) == dates


@both_formats
def test_labels_have_no_control_characters_and_a_largest_length(tmp_path, write_table):
    most, more = "u" * LONGEST_LABEL, "u" * (LONGEST_LABEL + 1)
    urls = ["a\x85\x9b31m\x1b\n\tb", most, more, "ü" * LONGEST_LABEL, "😀" * LONGEST_LABEL, "x" * (1 << 20)]
    labels = [{"id": url, "url": url, "date": url, "license": url} for url in urls]
    rows = [{"text": "a", **label} for label in labels]
    documents, _ = read_file(write_table(tmp_path / "x", pa.Table.from_pylist(rows)))
    for label in ("source_id", "url", "date", "license"):
        assert [document[label] for document in documents] == ["a31mb", most, None, *urls[3:5], None]


@both_formats
def test_a_file_without_the_text_column_names_those_it_has(tmp_path, write_table):
    path = write_table(tmp_path / "x", pa.table({"content": ["a"], "n": [1]}))
    mend = r'name the one that holds the text: columns = \{ text = "…" \}$'
    with pytest.raises(DspipeError, match=rf"x\.\w+ has no column text; there are: content, n; {mend}"):
        read_file(path)
    with pytest.raises(DspipeError, match=r"column n of x\.\w+ holds int64, no text; there are: content, n;"):
        read_file(path, columns=Columns(text="n"))
    assert texts(read_file(path, columns=Columns(text="content", id="n"))[0]) == ["a"]


@both_formats
def test_of_two_columns_of_one_name_the_text_is_refused_and_a_label_ignored(tmp_path, write_table):
    def write_columns(*names):
        columns = [pa.array([name]) for name in names]
        return write_table(tmp_path / "x", pa.Table.from_arrays(columns, names=names))

    (document,), _ = read_file(write_columns("url.more", "text", "url", "date", "url", "id"))
    assert (document["text"], document["url"], document["source_id"]) == ("text", None, "id")
    with pytest.raises(DspipeError, match=r"sources\.test: x\.\w+ has 2 columns text; rename"):
        read_file(write_columns("text", "url", "text"))


@both_formats
def test_names_from_a_file_cannot_steer_a_terminal(tmp_path, write_table):
    row = {"a\x9b\x1b[2J\n\u202e": "x"} | {f"c{number}": "x" for number in range(50)}
    path = write_table(tmp_path / "x\x1b", pa.Table.from_pylist([row]))
    with pytest.raises(DspipeError) as caught:
        read_file(path)
    words = str(caught.value)
    assert words.isprintable()
    assert r"a\x9b\x1b[2J\n\u202e, c0, c1" in words
    assert "c18, …;" in words
    assert r"x\x1b" in words
    with pytest.raises(DspipeError) as caught:
        read_file(path, columns=Columns(text="a\x9b"))
    assert str(caught.value).isprintable()
    path = write_table(tmp_path / "x", pa.table({"text": [{"\x1b": 1}]}))
    with pytest.raises(DspipeError, match=r"holds struct<\\x1b: int64>, no text"):
        read_file(path)


@every_writer
def test_a_record_that_killed_a_process_is_passed_over(tmp_path, write_table):
    file = open_file(write_table(tmp_path / "x", TABLE))
    for row, lost in ((75, 0), (140, 69)):  # at a block's first row, its reading may be what did it
        boundaries, _, unused, counts = read_span(file, Span(), SETTINGS, frozenset([row]))
        assert [u["offset"] for u in unused if u["reason"] == "crashed"] == [row]
        assert counts.in_ == 300 - lost
        assert boundaries[-1] == 300


@every_writer
def test_a_file_that_killed_a_process_when_it_was_opened_is_one_record(tmp_path, write_table):
    file = open_file(write_table(tmp_path / "x", TABLE))
    write(tmp_path / file.path, b"this would be malformed".ljust(file.bytes))
    boundaries, documents, unused, counts = read_span(file, Span(), SETTINGS, frozenset([0]))
    assert (boundaries, documents, counts.dropped) == ([0, file.bytes], [], {"crashed": 1})
    assert [(row["reason"], row["offset"]) for row in unused] == [("crashed", 0)]
    for span in (Span(file.bytes // 2), Span(file.bytes, None, exact=True)):
        assert read_span(file, span, SETTINGS, frozenset([0]))[:3] == ([], [], [])


# a connection that its server has cut is reported by aiohttp whenever it is collected, on a busy machine here
@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
@every_writer
def test_a_server_that_is_lost_ends_the_run_wherever_that_happens(tmp_path, write_table):
    noise = random.Random(1)
    table = pa.table({"text": [noise.randbytes(8000).hex() for _ in range(400)]})
    path = write_table(tmp_path / "x", table, 200)
    with serve_web(tmp_path) as (address, behaviour):
        file = replace(open_file(f"{address}/{path.name}"), access=Access(0))
        expected = read_span(file, Span(), SETTINGS)[0]
        for begin in (0, 150, 250):
            span = Span(begin, None, exact=begin > 0)
            for good in range(100):
                started = behaviour.asked[f"/{path.name}"] + good
                behaviour.faults = lambda _, number, started=started: "503" if number >= started else None
                try:
                    assert read_span(file, span, SETTINGS)[0] == expected[begin:]
                    break
                except DspipeError as error:
                    assert "cannot be read: 503" in str(error)
            assert 1 < good < 99
            behaviour.faults = lambda _, number: None


def test_a_file_that_is_none_costs_one_record(tmp_path):
    for name in ("x.parquet", "x.arrow"):
        for content in (b"", b"PAR1", b"ARROW1", b"ARROW1\0\0", b"\xff" * 4, bytes(99), b"FEA1" * 9):
            file = open_file(write(tmp_path / name, content))
            boundaries, documents, unused, _ = read_span(file, Span(), SETTINGS)
            assert boundaries == [0, max(1, file.bytes)]
            assert (documents, [row["offset"] for row in unused]) == ([], [0])
            assert unused[0]["reason"] in ("malformed", "truncated")
            for span in (Span(1), Span(boundaries[1], None, exact=True)):
                assert read_span(file, span, SETTINGS)[:3] == ([], [], [])


@every_writer
def test_a_cut_file_gives_what_lies_before_the_cut(tmp_path, write_table):
    path = write_table(tmp_path / "x", TABLE)
    whole = path.read_bytes()
    for share in (0.2, 0.5, 0.99):
        file = open_file(write(path, whole[: int(len(whole) * share)]))
        boundaries, documents, unused, counts = read_span(file, Span(), SETTINGS)
        if write_table not in (ARROW["file"], ARROW["zstd"]) or share < 0.9:  # a footer may be missed
            assert counts.dropped["truncated" if path.suffix != ".parquet" else "malformed"] == 1
        assert read_spans(file, [file.bytes // 2, file.bytes - 9], SETTINGS)[1:] == (documents, unused)
        for boundary in boundaries[-3:]:
            rest = read_span(file, Span(boundary, None, exact=True), SETTINGS)
            assert rest[2] == [u for u in unused if u["offset"] >= boundary]
        if path.suffix != ".parquet":
            assert share < 0.5 or documents


@both_formats
def test_damage_costs_its_block(tmp_path, write_table):
    noise = random.Random(1)
    table = pa.table({"text": [noise.randbytes(50).hex() for _ in range(5000)]})
    plain = {"use_dictionary": False} if write_table is write_parquet else {}
    path = write_table(tmp_path / "x", table, 1000, **plain)
    whole = path.read_bytes()
    middle = len(whole) // 2
    if write_table is write_parquet:
        whole = whole[:middle] + bytes(99) + whole[middle + 99 :]
    else:  # an offset into the strings that lies behind them
        place = whole.index(struct.pack("<3i", 100, 200, 300), middle - 70_000)
        whole = whole[:place] + struct.pack("<i", 1 << 30) + whole[place + 4 :]
    file = open_file(write(path, whole))
    boundaries, documents, unused, counts = read_span(file, Span(), SETTINGS)
    assert counts.dropped == {"malformed": 1}
    assert 4000 <= len(documents) < 5000
    assert boundaries[-1] == 5000
    assert read_spans(file, [middle], SETTINGS)[1:] == (documents, unused)


@every_writer
@pytest.mark.parametrize("seed", range(3))
def test_no_damage_raises(tmp_path, write_table, seed):
    table = pa.table(
        {
            "text": [f"Text {i}" for i in range(50)],
            "url": pa.array([f"u{i % 5}" for i in range(50)]).dictionary_encode(),
            "date": pa.array(range(50), pa.timestamp("us")),
        }
    )
    path = write_table(tmp_path / "x", table, 20)
    whole, noise = path.read_bytes(), random.Random(seed)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(noise.randrange(1, 5)):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        file = open_file(write(path, bytes(damaged)))
        try:
            boundaries, documents, unused, _ = read_span(file, Span(), SETTINGS)
        except DspipeError as error:  # the text column lost its name or its type
            assert "column" in str(error)
            continue
        assert boundaries == sorted(set(boundaries))
        assert sum(row["reason"] in ("malformed", "truncated", "too-large") for row in unused) <= 8
        again = read_span(file, Span(boundaries[len(boundaries) // 2], None, exact=True), SETTINGS)
        assert again[1] == [d for d in documents if d["origin"]["offset"] >= again[0][0]]


@pytest.mark.parametrize("column", ["text", "url"])
@pytest.mark.parametrize("write_table", [write_parquet, ARROW["zstd"], write_compressed])
def test_one_large_entry_for_every_row_is_held_once(tmp_path, write_table, column):
    large = pa.array(["x" * (4 << 20)])
    labels = {"text": ["a"] * 200} if column == "url" else {}
    entries = pa.DictionaryArray.from_arrays(pa.array([0] * 200), large)
    how = {"compression": "zstd", "dictionary_pagesize_limit": 1 << 30, "store_schema": False}
    bomb = pa.table({column: entries, **labels})
    path = write_table(tmp_path / "x", bomb, 200, **(how if write_table is write_parquet else {}))
    small = write_table(tmp_path / "small", pa.table({"text": ["a"]}))
    growth, rest = measure(small, path, 1000)
    assert rest == ("0 {'too-large': 200}" if column == "text" else "200 {}")
    assert growth < 64


def test_values_that_share_their_beginnings_are_not_held_all_at_once(tmp_path):
    table = pa.table({"text": [f"{'x' * (2 << 20)}{i}" for i in range(64)]})
    how = {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}
    path = write_parquet(tmp_path / "x", table, **how)
    small = write_parquet(tmp_path / "small", pa.table({"text": ["a"]}))
    growth, rest = measure(small, path, 1000)
    assert (rest, growth < 100) == ("0 {'too-large': 64}", True)


def read_chunks(path):
    """The pages of each column, of strings, in the first row group."""
    with open_source(open_file(path)) as stream:
        chunks = parquet.ParquetFile(stream).groups[0].chunks
        return [parquet_pages.read_chunk(stream, *chunk, None) for chunk in chunks]


def test_a_page_that_takes_too_much_memory_costs_its_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_pages, "LARGEST_PAGE", 1 << 20)
    table = pa.table({"text": ["a", "x" * (2 << 20), "b", "c"]})
    file = open_file(write_parquet(tmp_path / "x", table, 1, use_dictionary=False, compression="zstd"))
    assert file.bytes < 10_000
    boundaries, documents, unused, _ = read_span(file, Span(), SETTINGS)
    assert (boundaries, texts(documents)) == ([0, 1, 2, 3, 4], ["a", "b", "c"])
    assert [(row["reason"], row["offset"]) for row in unused] == [("too-large", 1)]


def test_a_batch_that_takes_too_much_memory_is_passed_over(tmp_path):
    small = ARROW["zstd"](tmp_path / "small", pa.table({"text": ["a"]}))
    large = pa.array(["a", "x" * (600 << 20), "b"])
    table = pa.table({"n": [[1]] * 3, "large": large, "more": [{"a": 1}] * 3, "text": ["a", "b", "c"]})
    path = ARROW["zstd"](tmp_path / "x", table, 1)
    assert path.stat().st_size < 200_000
    growth, rest = measure(small, path, 1000)  # no column of ours
    assert (rest, growth < 64) == ("3 {}", True)
    write(path, path.read_bytes().replace(b"large", b"title"))
    growth, rest = measure(small, path, 1000)
    assert (rest, growth < 64) == ("2 {'too-large': 1}", True)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", [None, "PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
@given(st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_window_of_rows_takes_more_than_was_reckoned(tmp_path, version, encoding, data):
    sizes = data.draw(st.lists(st.integers(0, 400), min_size=1, max_size=300))
    texts = ["x" * size for size in sizes]
    how = {"use_dictionary": not encoding, "column_encoding": {"text": encoding} if encoding else None}
    path = write_parquet(
        tmp_path / "x",
        pa.table({"text": texts}),
        1000,
        data_page_size=500,
        dictionary_pagesize_limit=500,
        write_batch_size=7,
        data_page_version=version,
        **how,
    )
    (chunk,) = read_chunks(path)
    assert chunk.values == len(texts)
    for rows in (1, 2, 16, 1024):
        windows = [sum(sizes[start : start + rows]) for start in range(len(sizes))]
        assert max(windows) <= parquet_pages.estimate(chunk, rows)


def test_small_rows_are_read_many_at_a_time(tmp_path):
    noise = random.Random(1)
    values = [noise.randbytes(500).hex() for _ in range(9000)]
    table = pa.table({"text": values, "url": map(str, range(9000))})
    path = write_parquet(tmp_path / "x", table, 9000)
    chunks = read_chunks(path)
    assert parquet_pages.choose_rows(chunks) >= 256
    assert math.isclose(sum(page.size for page in chunks[0].data), 1000 * 8000, rel_tol=0.2)
