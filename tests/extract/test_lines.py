"""JSON lines and separated values: columns, offsets, spans, and what is wrong in them."""

import csv
import gzip
import io
import json
import random
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dspipe.extract.formats.lines import ENOUGH
from dspipe.extract.formats.separated import Header, Quoting, split_rows
from dspipe.extract.formats.streams import split_lines
from dspipe.extract.rows import LONGEST_LABEL, clean_text
from dspipe.extract.spans import Span
from dspipe.recipe import Columns, DspipeError, Extract
from tests.extract.crawls import open_file, read_file, read_span, read_spans
from tests.extract.test_streams import COMPRESSIONS, WHOLE

LINES = [{"text": f"Text {number} ü", "id": number, "url": f"u{number}"} for number in range(500)]
JSONL = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES).encode()
SETTINGS = Extract()
WORD = st.text("abü,;\t\"' \n", max_size=12)


def write(path, content):
    path.write_bytes(content)
    return path


def write_csv(rows, **how):
    out = io.StringIO(newline="")
    csv.writer(out, **how).writerows(rows)
    return out.getvalue().encode()


def texts(documents):
    return [document["text"] for document in documents]


def resume_everywhere(file, cuts=()):
    """Read a file whole, and again from each boundary, which must give the rest of it; return the whole."""
    boundaries, documents, unused = read_spans(file, list(cuts), SETTINGS)
    assert boundaries[-1] >= file.bytes
    for boundary in boundaries:
        again = read_span(file, Span(boundary, None, exact=True), SETTINGS)
        assert again[0] == [b for b in boundaries if b >= boundary]
        assert again[1] == [d for d in documents if d["origin"]["offset"] >= boundary]
        assert again[2] == [u for u in unused if u["offset"] >= boundary]
    return documents, unused


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_compression_changes_neither_texts_nor_offsets(tmp_path, compress):
    documents, counts = read_file(write(tmp_path / "x.jsonl", compress(JSONL)))
    assert texts(documents) == [line["text"] for line in LINES]
    assert [d["source_id"] for d in documents] == [str(line["id"]) for line in LINES]
    for document, line in zip(documents, LINES, strict=True):
        assert json.loads(JSONL[document["origin"]["offset"] :].split(b"\n")[0]) == line
    assert counts.in_ == 500
    rows = [line.values() for line in LINES]
    table = write_csv([LINES[0].keys(), *rows])
    assert texts(read_file(write(tmp_path / "x.csv", compress(table)))[0]) == texts(documents)


@pytest.mark.parametrize("compress", WHOLE[1:])
def test_a_cut_or_damaged_stream_costs_one_counted_record(tmp_path, compress):
    noise = random.Random(1)
    big = b"".join(
        json.dumps({"text": f"{i} {noise.randbytes(500).hex()}"}).encode() + b"\n" for i in range(4000)
    )
    whole = compress(big)
    middle = len(whole) * 3 // 4
    path = write(tmp_path / "x.jsonl", whole[:middle])
    documents, counts = read_file(path)
    assert 1000 < len(documents) < 4000
    assert counts.dropped == {"truncated": 1}
    boundaries, *_ = read_span(open_file(path), Span(), SETTINGS)
    for left, dropped in ((3, 1), (2, 1), (1, 0)):
        found = read_span(open_file(path), Span(boundaries[-left], None, exact=True), SETTINGS)
        assert (found[0], len(found[2])) == (boundaries[-left:], dropped)
    noisy = bytes(byte ^ 0xA5 for byte in whole[middle : middle + 99])
    documents, counts = read_file(write(tmp_path / "x.jsonl", whole[:middle] + noisy + whole[middle + 99 :]))
    assert len(documents) > 1000
    assert sum(counts.dropped.values()) >= 1


BAD = [
    b'\xef\xbb\xbf{"text": "good"}\r',
    b"",
    b"   \r",
    b'{"text": ',
    b"[1, 2]",
    b'{"text": 5}',
    b'{"text": ["a"]}',
    b'{"text": null, "url": "here"}',
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
    b'{"text": "the last", "url": ["no", {}], "id": {"a": 1}, "title": "two\\n lines"}',
]


def test_each_bad_line_is_dropped_for_its_reason(tmp_path):
    file = open_file(write(tmp_path / "x.jsonl", b"\n".join(BAD)))
    documents, unused = resume_everywhere(file)
    assert texts(documents) == ["good", "ab[31m\nc", "the last"]
    document, last = documents[1:]
    labels = [document[label] for label in ("language", "date", "license", "url")]
    assert labels == ["en", "2024", None, "xy"]
    assert (last["url"], last["source_id"], last["title"]) == (None, None, "two lines")
    reasons = [row["reason"] for row in unused]
    assert {reason: reasons.count(reason) for reason in reasons} == {
        "bad-encoding": 1, "malformed": 8, "empty": 4
    }  # fmt: skip
    assert [row["url"] for row in unused if row["url"]] == ["here"]
    starts = [row["offset"] for row in unused]
    assert len(set(starts)) == len(starts)
    assert path_bytes(tmp_path)[starts[0] :].startswith(b'{"text": \n')


def path_bytes(folder):
    return (folder / "x.jsonl").read_bytes()


def test_a_label_that_cannot_be_read_does_not_cost_the_document(tmp_path):
    wrong = [b"1e400", b"9" * 6000, b"-1e999", b'"\xff"', b"[1e400]"]
    lines = [b'{"text": "%d", "url": "here", "id": %s}' % item for item in enumerate(wrong)]
    lines += [b'{"text": %s, "url": "here"}' % value for value in wrong]
    documents, unused = resume_everywhere(open_file(write(tmp_path / "x.jsonl", b"\n".join(lines))))
    assert texts(documents) == [str(number) for number in range(len(wrong))]
    assert {(document["url"], document["source_id"]) for document in documents} == {("here", None)}
    assert [row["reason"] for row in unused].count("bad-encoding") == 1
    assert [row["reason"] for row in unused].count("malformed") == len(wrong) - 1


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\n\n"])
def test_spans_cut_anywhere_give_what_one_reading_gives(tmp_path, end):
    lines = [b'\xef\xbb\xbf{"text": "a"}', b"", b'{"text": "\xc3\xbc"}\r', b"bad", b'{"text": "b"}', b""]
    file = open_file(write(tmp_path / "x.jsonl", b"\n".join([*lines, b'{"text": "c"}']) + end))
    documents, unused = resume_everywhere(file)
    assert texts(documents) == ["a", "ü", "b", "c"]
    for first in range(1, file.bytes):
        for step in (1, file.bytes):
            cuts = list(range(first, file.bytes, step))
            assert read_spans(file, cuts, SETTINGS)[1:] == (documents, unused)


def test_a_span_that_holds_no_beginning_of_a_line_is_passed_over_without_reading_on(tmp_path):
    file = open_file(write(tmp_path / "x.jsonl", b'{"text": "a"}\n' + b" " * 5_000_000 + b'{"text": "b"}'))
    assert read_span(file, Span(100, 200), SETTINGS)[0] == []
    assert read_span(file, Span(4_000_000), SETTINGS)[0] == []


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl.gz"])
def test_a_file_without_a_way_in_is_read_by_its_first_span(tmp_path, name):
    content = b"text\na\nb\n" if name == "x.csv" else gzip.compress(b'{"text":"a"}\n{"text":"b"}\n')
    file = open_file(write(tmp_path / name, content))
    documents, _ = resume_everywhere(file, cuts=range(1, file.bytes))
    assert texts(documents) == ["a", "b"]


def test_a_record_that_killed_a_process_is_passed_over(tmp_path):
    for name, content, offset in (
        ("x.jsonl", b'{"text": "a"}\n{"text": "b"}\n', 14),
        ("x.csv", b'text\na\n"b\nb"\nc', 7),
    ):
        file = open_file(write(tmp_path / name, content))
        boundaries, _, unused, counts = read_span(file, Span(), SETTINGS, frozenset([offset]))
        assert offset in boundaries
        assert [(row["reason"], row["offset"]) for row in unused] == [("crashed", offset)]
        assert counts.dropped == {"crashed": 1}


def test_a_language_that_is_no_code_is_left_open(tmp_path):
    lines = [
        json.dumps({"text": "a", "language": language}) for language in ("de", "deu", "German", "zh-CN", 5)
    ]
    documents, _ = read_file(write(tmp_path / "x.jsonl", "\n".join(lines).encode()))
    assert [d["language"] for d in documents] == ["de", "deu", None, None, None]


def test_a_line_that_is_too_large_is_passed_over(tmp_path):
    lines = [json.dumps({"text": "a" * size}).encode() for size in (1000, 1001, 16 << 20, 5)]
    documents, counts = read_file(write(tmp_path / "x.jsonl", b"\n".join(lines)), max_characters=1000)
    assert [len(text) for text in texts(documents)] == [1000, 5]
    assert counts.dropped == {"too-large": 2}


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_columns_have_the_names_that_the_recipe_gives(tmp_path, name):
    row = {"content": "a", "text": "b", "id": "i", "when": "2024"}
    content = json.dumps(row).encode() if name == "x.jsonl" else write_csv([row.keys(), row.values()])
    path = write(tmp_path / name, content)
    documents, _ = read_file(path, columns=Columns(text="content", date="when", url="id"))
    assert [documents[0][label] for label in ("text", "date", "source_id", "url")] == ["a", "2024", "i", "i"]
    documents, _ = read_file(path, columns=Columns(text="id"))
    assert (documents[0]["text"], documents[0]["source_id"]) == ("i", None)


MISSING = r"sources\.test: x\.\w+ has no column text; there are: content, n; "
MISSING += r'name the one that holds the text: columns = \{ text = "…" \}$'


def test_a_file_without_the_text_column_names_those_it_has(tmp_path):
    for lines in (2000, 2):
        path = write(tmp_path / "x.jsonl", b'nonsense\n{"content": "a", "n": 1}\n' * lines)
        with pytest.raises(DspipeError, match=MISSING):
            read_file(path)
    with pytest.raises(DspipeError, match=MISSING):
        read_file(write(tmp_path / "x.csv", b"content,n\n1,2\n"))


def test_a_file_that_lacks_the_text_in_its_middle_is_read_the_same_in_one_span_or_two(tmp_path):
    lines = [b'{"text": "a"}', *[b'{"other": 1}'] * (2 * ENOUGH)]
    file = open_file(write(tmp_path / "x.jsonl", b"\n".join(lines)))
    _, documents, unused, _ = read_span(file, Span(), SETTINGS)
    assert (len(documents), len(unused)) == (1, 2 * ENOUGH)
    assert read_spans(file, [20], SETTINGS)[1:] == (documents, unused)


def test_names_from_a_file_cannot_steer_a_terminal(tmp_path):
    row = {"a\x9b\x1b[2J\n\u202e": "x"} | {f"c{number}": "x" for number in range(50)}
    for name, content in (
        ("x\x1b[2J.jsonl", json.dumps(row).encode()),
        ("x\x1b.csv", write_csv([row.keys(), row.values()])),
    ):
        with pytest.raises(DspipeError) as caught:
            read_file(write(tmp_path / name, content))
        words = str(caught.value)
        assert words.isprintable()
        assert r"a\x9b\x1b[2J\n\u202e, c0, c1" in words
        assert "c18, …;" in words
        assert r"x\x1b" in words


def test_the_names_in_a_broken_file_are_left_out(tmp_path):
    path = write(tmp_path / "x.jsonl.gz", gzip.compress(random.Random(1).randbytes(9999))[:-2000])
    with pytest.raises(DspipeError, match=r'has no column a"b; there are: none'):
        read_file(path, columns=Columns(text='a"b'))


@pytest.mark.parametrize("number", [0x1B, 0x7F, *range(0x80, 0xA0)])
def test_no_control_character_passes(number):
    assert clean_text(f"a{chr(number)}b") == ("a\nb" if number == 0x85 else "ab")


def test_labels_have_no_control_characters_and_a_largest_length(tmp_path):
    most, more = "u" * LONGEST_LABEL, "u" * (LONGEST_LABEL + 1)
    urls = ["a\x85\x9b31m\x1b\n\tb", most, more, "ü" * LONGEST_LABEL, "😀" * LONGEST_LABEL, "x" * (1 << 20)]
    labels = ("id", "url", "date", "license")
    rows = [{"text": "a"} | dict.fromkeys(labels, url) for url in urls]
    write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)).encode())
    write(tmp_path / "x.csv", write_csv([rows[0].keys(), *(row.values() for row in rows)]))
    for name in ("x.jsonl", "x.csv"):
        documents, _ = read_file(tmp_path / name)
        for label in ("source_id", "url", "date", "license"):
            assert [document[label] for document in documents] == ["a31mb", most, None, *urls[3:5], None]


GROWTH = """
import resource, sys
from dspipe.extract.readers import READERS
from dspipe.extract.rows import Rows
from dspipe.extract.spans import Span
from dspipe.recipe import Extract
from tests.extract.crawls import open_file

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

def read(path, most):
    file, rows = open_file(path), Rows(most)
    for _ in READERS[file.format](file, Span(), rows, Extract(max_characters=most, max_page_bytes=1 << 20)):
        if rows.full:
            rows.take()
    return rows.counts

read(sys.argv[1], 1000)
before = peak()
counts = read(sys.argv[2], int(sys.argv[3]))
print(peak() - before, counts.out, counts.dropped)
"""


def measure(small, path, max_characters):
    """The MiB that reading a file adds to a process that has read a small one; and what it gave."""
    command = [sys.executable, "-c", GROWTH, str(small), str(path), str(max_characters)]
    growth, _, rest = subprocess.check_output(command, text=True).strip().partition(" ")
    return int(growth), rest


@pytest.mark.parametrize("key", ["text", "url", "other"])
def test_a_long_line_of_empty_lists_does_not_become_as_many_objects(tmp_path, key):
    others = "" if key == "text" else ', "text": "a"'
    line = f'{{"{key}": [' + "[]," * (8 << 20) + f"0]{others}}}"
    small = write(tmp_path / "small.jsonl", b'{"text": "a"}')
    growth, rest = measure(small, write(tmp_path / "x.jsonl", line.encode()), 10_000_000)
    assert rest == ("0 {'malformed': 1}" if key == "text" else "1 {}")
    assert growth < 4 * 24  # the line, and copies while it is put together


@pytest.mark.parametrize("row", [b'""', b"word and word\n"])
def test_no_row_takes_more_memory_than_there_is(tmp_path, row):
    small = write(tmp_path / "small.csv", b"text,n\na,b\n")
    bomb = b'text,n\na,"b' + row * ((4 << 20) // len(row)) + b"\n"
    growth, _ = measure(small, write(tmp_path / "x.csv.gz", gzip.compress(bomb, 1)), 1000)
    assert growth < 50


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@given(rows=st.lists(st.tuples(st.sampled_from(["", "1"]), WORD, WORD), max_size=5))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tables_are_read_as_python_reads_them(tmp_path, delimiter, quoting, end, rows):
    how = {"delimiter": delimiter, "quoting": quoting, "lineterminator": end}
    content = b"\xef\xbb\xbf" + write_csv([("id", "text", "url"), *rows], **how)
    file = open_file(write(tmp_path / "x.csv", content))
    documents, unused = resume_everywhere(file)
    expected = [(clean_text(text), number or None) for number, text, _ in rows if clean_text(text)]
    assert [(d["text"], d["source_id"]) for d in documents] == expected
    assert len(unused) == len(rows) - len(expected)
    for document in documents:
        rest = content[document["origin"]["offset"] :].decode()
        row = next(csv.reader(io.StringIO(rest, newline=""), **how))
        assert clean_text(row[1]) == document["text"]


@given(st.text('ab,"\n', max_size=30), st.integers(1, 9))
@settings(max_examples=500)
def test_rows_are_split_as_python_splits_them(text, size):
    data, quoting = text.encode(), Quoting(b",")
    blocks = (data[i : i + size] for i in range(0, len(data), size))
    found, offset = [], 0
    for begin, row, end in split_rows(split_lines(blocks, 100), quoting, 100):
        assert begin == offset
        offset = end
        if isinstance(row, bytes):
            found.append([field.decode() for field in quoting.split(row, 100)] if row else [])
        else:
            assert (row, end) == ("truncated", len(data))
            found.append(None)
    assert offset == len(data)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(found) == len(rows)
    assert all(mine in (theirs, None) for mine, theirs in zip(found, rows, strict=True))


def test_each_bad_row_is_dropped_for_its_reason(tmp_path):
    rows = [b"id,text", b"1,a", b"2", b"3,b,c", b"", b'4,5" and 6"', b"5,\xff", b'6," "', b"7,a\0b\x1b[31m"]
    rows += [b'8,"a ""b"" c"d', b'9,"two', b'""lines"" "', b'10,"never closed']
    documents, unused = resume_everywhere(open_file(write(tmp_path / "x.csv", b"\n".join(rows))))
    assert texts(documents) == ["a", '5" and 6"', "ab[31m", 'a "b" cd', 'two\n"lines"']
    reasons = ["malformed", "malformed", "bad-encoding", "empty", "truncated"]
    assert [row["reason"] for row in unused] == reasons


def test_a_quote_opened_by_mistake_costs_one_row_and_not_the_rest_of_the_file(tmp_path):
    rows = [b"id,text", b'0,"' + b"x" * 99, *(b'%d,row ""%d' % (i, i) for i in range(1, 5000))]
    documents, unused = resume_everywhere(open_file(write(tmp_path / "x.csv", b"\n".join(rows[:200]))))
    assert [d["source_id"] for d in documents] == [str(i) for i in range(1, 199)]
    assert [row["reason"] for row in unused] == ["malformed"]
    found = list(split_rows(split_lines(iter([b"\n".join(rows)]), 5000), Quoting(b","), 5000))
    assert [row[1] for row in found] == [rows[0], "too-large", *rows[2:]]


def test_many_quotes_that_nobody_closes_are_looked_through_once():
    def split(first, limit, header=None):
        text = b"".join(b"%d,row\n" % i if i % 3 else b'%d "y,"\n' % i for i in range(first, 60_000))
        return list(split_rows(split_lines(iter([text]), limit), Quoting(b","), limit, header))

    header = Header({"text": 0}, 2, b",", Quoting(b","), 0)
    started = time.monotonic()
    for limit, reason in ((1 << 30, "malformed"), (100_000, "too-large")):
        found = [row for _, row, _ in split(0, limit, header)]
        assert found.count(reason) > 15_000
        assert found[31:] == [row for _, row, _ in split(31, limit, header)]
    assert time.monotonic() - started < 20  # some hours, were each looked for to the end


def test_a_table_that_was_cut_inside_of_quotes_costs_one_row(tmp_path):
    content = b'id,text\n1,a\n2,"It was late, and\nnobody came.\nHello, world\nNobody\n'
    documents, unused = resume_everywhere(open_file(write(tmp_path / "x.csv", content)))
    assert (texts(documents), [row["reason"] for row in unused]) == (["a"], ["truncated"])


def test_a_header_tells_columns_and_delimiter(tmp_path):
    for header, row in (
        (b"text", b"a"),
        (b" text ;n", b"a;1,5"),
        (b'"n, or\nless"\ttext', b"1\ta"),
        (b"\n\r\nn,text", b",a"),
    ):
        documents, counts = read_file(write(tmp_path / "x.csv", header + b"\r\n" + row + b"\r\n"))
        assert (texts(documents), counts.in_) == (["a"], 1)
    with pytest.raises(DspipeError, match=r"x\.csv has 2 columns text; rename all but one, or name another"):
        read_file(write(tmp_path / "x.csv", b"text,text\na,b"))
    for content in (b"", b"\n\n", b"text,n\n"):
        assert read_file(write(tmp_path / "x.csv", content))[1].in_ == 0
    with pytest.raises(DspipeError, match="there are: none"):
        read_file(write(tmp_path / "x.csv", b"n," * (1 << 20)))
    cut = write(tmp_path / "x.csv", gzip.compress(random.Random(1).randbytes(999))[:99])
    assert read_file(cut)[1].dropped == {"truncated": 1}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_no_damage_to_lines_raises(tmp_path, name, seed):
    rows = [{"text": f'Text "{i}",\n{i}', "id": i} for i in range(15)]
    whole = write_csv([("text", "id"), *(row.values() for row in rows)])
    if name == "x.jsonl":
        whole = "\n".join(map(json.dumps, rows)).encode()
    noise = random.Random(seed)
    for _ in range(20):
        damaged = bytearray(whole)
        for _ in range(noise.randrange(1, 9)):
            damaged[noise.randrange(9, len(damaged))] = noise.choice(b'"",\n\r\0\xff{}[]\\')
        resume_everywhere(open_file(write(tmp_path / name, bytes(damaged))))


@pytest.mark.parametrize(
    ("written", "quality"),
    [
        ("0.5", 0.5),
        ('"3"', 3.0),
        ("-2", -2.0),
        ('"good"', None),
        ("true", None),
        ("1e39", None),
        ("null", None),
    ],
)
def test_a_score_becomes_the_quality_of_a_document(tmp_path, written, quality):
    path = write(tmp_path / "x.jsonl", f'{{"text": "a", "score": {written}}}\n'.encode())
    documents, _ = read_file(path, columns=Columns(quality="score"))
    assert [document["quality"] for document in documents] == [quality]
