"""WARC and WET: what is taken from a record, and what hostile bytes cost."""

import gzip
import io
import random
import zlib
from pathlib import Path

import pytest
from fastwarc.stream_io import BrotliWriter
from fastwarc.warc import ArchiveIterator

from dspipe.extract.archives.members import open_members
from dspipe.extract.archives.records import Archive
from dspipe.extract.archives.warc import WARC, measure_block
from dspipe.extract.sources.file import open_source
from dspipe.extract.spans import Span
from dspipe.recipe import DspipeError, Extract
from tests.extract.crawls import (
    PARAGRAPH,
    make_answer,
    make_page,
    make_pages,
    make_record,
    open_file,
    read_file,
    read_span,
    read_warc,
)

PAGE = make_answer(make_page())


def drop_of(tmp_path, *records):
    """The reason for which the only record is dropped."""
    documents, counts = read_warc(tmp_path, *records)
    assert not documents
    (reason,) = counts.dropped
    assert counts.dropped[reason] == 1
    return reason


def test_a_page_becomes_a_row_with_its_place_and_labels(tmp_path):
    members = make_pages(2)
    documents, counts = read_warc(tmp_path, *members, name="x.warc.gz")
    assert counts.out == counts.in_ == 2
    assert documents[1] == {
        "id": documents[1]["id"],
        "text": f"{PARAGRAPH} Page 1.",
        "source": "test",
        "source_id": f"<urn:uuid:{1:032x}>",
        "url": "https://example.org/1",
        "date": "2024-01-02T03:04:05Z",
        "license": None,
        "quality": None,
        "title": "T",
        "language": None,
        "domain": None,
        "origin": {"file": "x.warc.gz", "offset": len(members[0])},
        "digest": None,
    }
    assert len(documents[1]["id"]) == 32


def test_the_offset_is_where_the_record_can_be_read_again(tmp_path):
    content = b"".join(make_pages(4))
    documents, _ = read_warc(tmp_path, content, name="x.warc.gz")
    for document in documents:
        record = zlib.decompressobj(31).decompress(content[document["origin"]["offset"] :])
        assert document["url"].encode() in record


@pytest.mark.parametrize("kind", ["request", "metadata", "warcinfo", "continuation", "nonsense"])
def test_records_that_are_no_pages_are_counted(tmp_path, kind):
    assert drop_of(tmp_path, make_record(PAGE, kind)) == "not-a-page"


def test_a_page_that_had_not_changed_is_a_revisit(tmp_path):
    assert drop_of(tmp_path, make_record(PAGE, "revisit")) == "revisit"


def test_an_answer_of_something_else_than_a_web_server_is_no_page(tmp_path):
    record = make_record(b"20240102 example.org A 1.2.3.4", "response").replace(
        b"application/http", b"text/dns"
    )
    assert drop_of(tmp_path, record) == "not-a-page"


def test_all_of_a_wat_file_is_counted_as_such(tmp_path):
    documents, counts = read_warc(
        tmp_path, make_record(b"{}", "metadata"), make_record(PAGE), name="x.warc.wat"
    )
    assert not documents
    assert counts.dropped == {"wat": 2}


def make_resource(body, kind, headers=""):
    record = make_record(body, "resource", headers=headers)
    return record.replace(b"application/http; msgtype=resource", kind)


def test_resources_are_pages_or_text(tmp_path):
    latin = "Grüße aus Köln an alle, die das hier lesen können.".encode("latin-1")
    documents, counts = read_warc(
        tmp_path,
        make_resource(make_page(), b"text/html; charset=utf-8"),
        make_resource(latin, b"text/plain"),
        make_resource(make_page(), b""),
        make_resource(b"%PDF", b"application/pdf"),
        make_resource(b"no type and no page", b""),
    )
    assert [d["title"] for d in documents] == ["T", None, "T"]
    assert documents[1]["text"].startswith("Grüße")
    assert counts.dropped == {"not-html": 2}


def test_labels_of_a_record_become_columns(tmp_path):
    headers = (
        "WARC-Payload-Digest: sha1:ABC\r\nwarc-identified-payload-type: text/html\r\nX-Long: a\r\n  b: c\r\n"
    )
    record = make_record(make_answer(make_page(), "application/octet-stream"), headers=headers)
    old = record.replace(b"https://example.org/0", b"<https://example.org/0>").replace(
        b"WARC/1.0", b"WARC/0.17"
    )
    for content in (
        record,
        record.replace(b"WARC/1.0", b"WARC/1.1"),
        old,
        record.replace(b"\r\nWARC", b"\nWARC"),
    ):
        ((document,), _) = read_warc(tmp_path, content)
        assert document["digest"] == "sha1:ABC"
        assert document["url"] == "https://example.org/0"
        assert document["title"] == "T"


def test_heads_with_bare_line_feeds_are_read(tmp_path):
    head, _, block = make_record(PAGE).partition(b"\r\n\r\n")
    documents, _ = read_warc(tmp_path, head.replace(b"\r\n", b"\n") + b"\n\n" + block)
    assert len(documents) == 1


@pytest.mark.parametrize("length", [b"-1", b"", b"1e3", b"9" * 19, b"x", b"\xb2"])
def test_a_length_that_is_no_number_is_malformed(tmp_path, length):
    record = make_record(PAGE).replace(b"Content-Length: %d" % len(PAGE), b"Content-Length: " + length)
    documents, counts = read_warc(tmp_path, record, make_record(PAGE))
    assert len(documents) == 1
    assert counts.dropped == {"malformed": 1}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (make_answer(make_page(), status="HTTP/1.1 404 Not Found"), "status-4xx"),
        (make_answer(make_page(), status="HTTP/2 301 Moved"), "status-3xx"),
        (make_answer(make_page(), status="HTTP/1.0 503"), "status-5xx"),
        (make_answer(make_page(), status="HTTP/1.1 204 No Content"), "status-2xx"),
        (make_answer(make_page(), status="HTTP/1.1 100 Continue"), "status-1xx"),
        (make_answer(make_page(), status="HTTP/1.1 999 Request denied"), "malformed"),
        (make_answer(make_page(), status="HTTP/1.1 2000 OK"), "malformed"),
        (make_answer(b"just text", "text/plain"), "not-html"),
        (make_answer(b"just text", ""), "not-html"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "malformed"),
        (make_answer(make_page(), status="HXXP NO"), "malformed"),
        (make_answer(make_page(), status="HTTP/1.1 abc"), "malformed"),
        (b"no headers at all", "malformed"),
        (b"", "malformed"),
        (make_answer(b"%PDF", "application/pdf"), "not-html"),
        (make_answer(b"  \n "), "empty"),
        (make_answer(b"<html><body></body></html>"), "empty"),
        (make_answer(make_page(), headers="X: y\r\n" * 20_000), "malformed"),
    ],
)
def test_a_broken_answer_is_dropped_for_its_reason(tmp_path, answer, reason):
    assert drop_of(tmp_path, make_record(answer)) == reason


def test_a_cut_member_costs_one_record(tmp_path):
    content = b"".join(make_pages(4))
    last = len(make_pages(4)[3])
    for cut in (1, 9, last // 2, last - 5, last - 30):
        documents, counts = read_warc(tmp_path, content[:-cut], name="x.warc.gz")
        assert [d["url"][-1] for d in documents] == ["0", "1", "2"]
        assert counts.dropped == {"truncated": 1}


def test_a_file_that_is_cut_in_its_first_headers_is_counted(tmp_path):
    documents, counts = read_warc(tmp_path, make_pages(1)[0][:40], name="x.warc.gz")
    assert not documents
    assert counts.dropped == {"truncated": 1}


def test_garbage_between_members_costs_one_record(tmp_path):
    first, second, third = make_pages(3)
    documents, counts = read_warc(tmp_path, first, second, b"garbage" * 20, third, name="x.warc.gz")
    assert len(documents) == 3
    assert counts.dropped == {"malformed": 1}


def test_a_damaged_member_costs_one_record(tmp_path):
    members = make_pages(3)
    members[1] = members[1][:60] + bytes(byte ^ 0xFF for byte in members[1][60:90]) + members[1][90:]
    documents, counts = read_warc(tmp_path, *members, name="x.warc.gz")
    assert [d["url"][-1] for d in documents] == ["0", "2"]
    assert counts.dropped == {"malformed": 1}


def test_an_empty_file_and_an_empty_member_have_no_records(tmp_path):
    assert read_warc(tmp_path)[1].in_ == 0
    assert read_warc(tmp_path, gzip.compress(b""), name="x.warc.gz")[1].in_ == 0


def test_a_file_of_something_else_is_one_malformed_record(tmp_path):
    assert drop_of(tmp_path, b"hello world, " * 1000) == "malformed"


def test_uncompressed_and_single_member_files_give_the_same_texts_and_distinct_ids(tmp_path):
    records = [gzip.decompress(member) for member in make_pages(20)]
    plain, _ = read_warc(tmp_path, *records)
    single, _ = read_warc(tmp_path, gzip.compress(b"".join(records)), name="x.warc.gz")
    assert [d["text"] for d in plain] == [d["text"] for d in single]
    assert len({d["id"] for d in plain}) == len({d["id"] for d in single}) == 20
    assert plain[1]["origin"]["offset"] == len(records[0])


def test_a_member_that_expands_without_end_is_too_large_and_takes_no_memory(tmp_path):
    import resource

    size = 128 << 20
    with gzip.open(tmp_path / "x.warc.gz", "wb", compresslevel=1) as out:
        answer = make_answer(b"")
        out.write(make_record(answer, length=size + len(answer)).removesuffix(b"\r\n\r\n"))
        for _ in range(size >> 22):
            out.write(bytes(1 << 22))
        out.write(b"\r\n\r\n")
    (tmp_path / "x.warc.gz").write_bytes((tmp_path / "x.warc.gz").read_bytes() + make_pages(1)[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    documents, counts = read_file(tmp_path / "x.warc.gz")
    assert len(documents) == 1
    assert counts.dropped == {"too-large": 1}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_page_of_fifty_megabytes_is_too_large(tmp_path):
    assert drop_of(tmp_path, make_record(make_answer(make_page("word " * 10_000_000)))) == "too-large"


def test_a_compressed_body_that_expands_without_end_is_too_large(tmp_path):
    body = gzip.compress(bytes(50 << 20))
    assert (
        drop_of(tmp_path, make_record(make_answer(body, headers="Content-Encoding: gzip\r\n"))) == "too-large"
    )


def chunk(body):
    return b"".join(
        b"%x\r\n%b\r\n" % (len(body[i : i + 50]), body[i : i + 50]) for i in range(0, len(body), 50)
    ) + (b"0\r\n\r\n")


def compress_brotli(body):
    out = io.BytesIO()
    with BrotliWriter(out) as writer:
        writer.write(body)
    return out.getvalue()


def squeeze(body):
    return zlib.compress(body)[2:-4]


@pytest.mark.parametrize(
    ("encode", "headers"),
    [
        (gzip.compress, "Content-Encoding: gzip\r\n"),
        (zlib.compress, "Content-Encoding: deflate\r\n"),
        (squeeze, "Content-Encoding: deflate\r\n"),
        (compress_brotli, "Content-Encoding: br\r\n"),
        (chunk, "Transfer-Encoding: chunked\r\n"),
        (lambda body: chunk(gzip.compress(body)), "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"),
        (bytes, "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"),  # undone by the crawler
        (bytes, "Content-Encoding: br\r\n"),
        (bytes, "Content-Encoding: identity, nonsense\r\n"),
    ],
)
def test_encoded_bodies_are_decoded_even_where_the_header_lies(tmp_path, encode, headers):
    documents, _ = read_warc(tmp_path, make_record(make_answer(encode(make_page()), headers=headers)))
    assert [d["text"] for d in documents] == [PARAGRAPH]


CYRILLIC = "Съешь же ещё этих мягких французских булок, да выпей чаю, и так каждый день без конца."


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        ("; charset=utf-8", "utf-8"),
        ("", "utf-8"),
        ("; charset=windows-1251", "cp1251"),
        ("", "cp1251"),
        ("; charset=utf-8", "cp1251"),  # wrong
        ("; charset=iso-8859-1", "utf-8"),  # wrong
        ('; charset="koi8-r"', "koi8-r"),
        ("; charset=zip", "utf-8"),  # the name of a Python codec that is none
        ("", "utf-16"),
    ],
)
def test_the_charset_is_found_even_where_the_header_lies(tmp_path, declared, actual):
    body = make_page(CYRILLIC).decode().encode(actual)
    documents, _ = read_warc(tmp_path, make_record(make_answer(body, f"text/html{declared}")))
    assert [d["text"] for d in documents] == [CYRILLIC]


def test_bytes_in_no_charset_still_give_a_row_of_valid_text(tmp_path):
    body = make_page().replace(b"fox", b"f\xff\xfe\x81x \xed\xa0\x80")
    documents, counts = read_warc(tmp_path, make_record(make_answer(body, "text/html; charset=utf-8")))
    assert counts.out == 1
    documents[0]["text"].encode()


def test_control_characters_and_markup_in_a_title_do_not_reach_the_text(tmp_path):
    title = b"<title>&lt;script&gt;alert(1)&lt;/script&gt;\x1b[31m</title>"
    body = (
        b"<body><p>a\x00b\x1b[31m\x07\r\nc&#27;&#xD800; %b</p><script>alert(2)</script>" % PARAGRAPH.encode()
    )
    page = title + body
    documents, _ = read_warc(tmp_path, make_record(make_answer(page)))
    text = documents[0]["text"]
    assert "alert" not in text
    assert not [c for c in text if c < " " and c not in "\t\n"]


DEEP = 100_000
REOPENED = "<p>" + "".join(f"<b a={i}>" for i in range(3000)) + "</p>" + "<p>x</p>" * 3000


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * DEEP + "x" + "</div>" * DEEP,
        "<b>" * DEEP + "x",
        "<table><tr><td>" * DEEP + "x",
        "<ul><li>" * DEEP + "x",
        "<svg>" * DEEP + "x",
        "<div></x>" * DEEP + "x",
        "<div><table><tr><td></div></td></tr></table>" * 3000 + "x",
        REOPENED,
        "".join(f"<b a={i}><table><td></b></table>" for i in range(3000)) + "<p>x</p>" * 3000,
        "<a>" * 400_000,
    ],
    ids=["div", "b", "table", "list", "svg", "mismatched", "scoped", "reopened", "hidden", "flat"],
)
def test_nesting_that_could_take_minutes_or_gigabytes_costs_one_row_at_most(tmp_path, body):
    hostile = make_record(make_answer(b"<html><body>" + body.encode()), number=1)
    documents, counts = read_warc(tmp_path, hostile, make_record(PAGE))
    assert documents[-1]["text"] == PARAGRAPH
    assert counts.in_ == 2
    assert set(counts.dropped) <= {"too-deep", "empty"}


def test_a_long_page_with_many_links_is_no_attack(tmp_path):
    rows = "".join(
        f"<tr><td><a href='{i}'><b>{i}</b></a></td><td><i>{PARAGRAPH}</i></td></tr>" for i in range(3000)
    )
    page = f"<html><body><div><p>{PARAGRAPH}</p><table>{rows}</table></div></body></html>"
    documents, _ = read_warc(tmp_path, make_record(make_answer(page.encode())))
    assert documents[0]["text"].count("brown fox") == 3001


def test_a_parser_that_panics_costs_one_row(tmp_path, monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_):
        raise PanicException

    monkeypatch.setattr("dspipe.extract.archives.warc.extract_page", panic)
    assert drop_of(tmp_path, make_record(PAGE)) == "malformed"


def test_a_length_that_lies_costs_its_record_only(tmp_path):
    long = make_record(PAGE, length=100_000)
    documents, counts = read_warc(
        tmp_path, *make_pages(1), gzip.compress(long), *make_pages(2), name="x.warc.gz"
    )
    assert counts.dropped == {"malformed": 1}
    assert len(documents) == 3


def test_a_body_that_its_crawler_cut_is_used_as_far_as_it_goes(tmp_path):
    page = make_page("".join(f"<p>{PARAGRAPH} It did so {n} times.</p>" for n in range(400)))
    for body, headers in (
        (page[:20_000], "Content-Length: 99999\r\n"),
        (gzip.compress(page)[:-30], "Content-Encoding: gzip\r\n"),
        (chunk(page)[:20_000], "Transfer-Encoding: chunked\r\n"),
    ):
        record = make_record(make_answer(body, headers=headers), headers="WARC-Truncated: length\r\n")
        documents, _ = read_warc(tmp_path, record)
        assert documents[0]["text"].startswith(f"{PARAGRAPH} It did so 0 times.")


def test_a_wet_file_named_as_warc_is_read_all_the_same(tmp_path):
    for name in ("x.warc", "x.warc.wet"):
        documents, _ = read_warc(
            tmp_path, make_record(PAGE), make_record(b"Ein Text.", "conversion"), name=name
        )
        assert [d["title"] for d in documents] == ["T", None]


def test_wet_records_are_text_already(tmp_path):
    block = b"Ein Satz.\r\nNoch ein\x00 Satz."
    labels = "WARC-Identified-Content-Language: deu,eng\r\n"
    documents, counts = read_warc(
        tmp_path,
        make_record(b"Software: x", "warcinfo"),
        make_record(block, "conversion", 7, labels),
        make_record(b"\xff\xfe\xfa", "conversion", 8),
        name="x.warc.wet",
    )
    assert [(d["text"], d["language"]) for d in documents] == [("Ein Satz.\nNoch ein Satz.", "deu")]
    assert counts.dropped == {"not-a-page": 1, "bad-encoding": 1}


def test_a_text_over_the_limit_is_too_large(tmp_path):
    (tmp_path / "x.warc").write_bytes(make_record(PAGE))
    assert read_file(tmp_path / "x.warc", max_characters=10)[1].dropped == {"too-large": 1}


def test_the_kind_of_a_record_may_be_in_any_case():
    settings = Extract(max_characters=10)
    sizes = {measure_block(settings, {b"warc-type": kind}) for kind in (b"conversion", b"Conversion")}
    assert sizes == {40}


@pytest.mark.parametrize("name", ["x.warc", "x.warc.gz"])
def test_random_damage_never_raises_and_is_always_counted(tmp_path, name):
    chance = random.Random(1)
    members = make_pages(6)
    content = b"".join(members if name.endswith("gz") else map(gzip.decompress, members))
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 12)):
            place = chance.randrange(len(damaged))
            kind = chance.randrange(4)
            if kind == 0:
                damaged[place] = chance.randrange(256)
            elif kind == 1:
                del damaged[place : place + chance.randrange(1, 200)]
            elif kind == 2:
                damaged[place:place] = chance.randbytes(chance.randrange(1, 50))
            else:
                damaged[place : place + 4] = b"\0\0\0\0"
        documents, counts = read_warc(tmp_path, bytes(damaged), name=name)
        assert counts.in_ >= 1
        assert len({d["id"] for d in documents}) == len(documents)


def test_random_damage_to_pages_never_raises(tmp_path):
    chance = random.Random(2)
    page = f"<html><body><p>{PARAGRAPH}</p><ul><li>a<li>b</ul><table><td>1</table></body></html>".encode()
    records = []
    for number in range(300):
        damaged = bytearray(
            make_answer(page, headers="Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")
        )
        for _ in range(8):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        records.append(make_record(bytes(damaged), number=number))
    assert read_warc(tmp_path, *records)[1].in_ == 300


def test_a_connection_that_is_lost_ends_the_run_and_not_the_file(tmp_path, monkeypatch):
    (tmp_path / "x.warc.gz").write_bytes(b"".join(make_pages(300)))

    class Lost(io.FileIO):
        def read(self, size=-1):
            if self.tell() > 20_000:
                raise ConnectionResetError(104, "Connection reset by peer")
            return super().read(min(size, 8192))

    monkeypatch.setattr("dspipe.extract.sources.file.open_address", Lost)
    with pytest.raises(DspipeError, match=r"x\.warc\.gz cannot be read: Connection reset by peer"):
        read_file(tmp_path / "x.warc.gz")


def test_a_file_that_vanished_ends_the_run_with_a_sentence(tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"".join(make_pages(1)))
    file = open_file(path)
    path.unlink()
    with pytest.raises(DspipeError, match=r"sources\.test: .*x\.warc\.gz cannot be read: No such file"):
        read_span(file, Span(), Extract())


ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "corpus"
ARCHIVES = sorted((ROOT / "shards" / "sample").glob("*.warc*.gz")) + sorted(SHARED.glob("*.warc*.gz"))


@pytest.mark.parametrize("path", ARCHIVES, ids=[path.name for path in ARCHIVES])
def test_records_are_those_that_fastwarc_finds(path):
    with open_source(open_file(path)) as stream:
        archive = Archive(open_members(stream.file, stream, WARC.first), WARC, lambda _: 1 << 30)
        assert archive.enter(Span())
        records = []
        while not archive.done:
            if archive.arrive():
                records.append(archive.read())
    with path.open("rb") as file:
        expected = [
            (dict(record.headers.items()), record.reader.read(), record.stream_pos)
            for record in ArchiveIterator(file, parse_http=False)
        ]
    assert len(records) == len(expected) > 0
    for ours, (headers, body, offset) in zip(records, expected, strict=True):
        assert ours.fields[b"warc-type"].decode() == headers["WARC-Type"]
        assert ours.fields.get(b"warc-target-uri", b"").decode() == headers.get("WARC-Target-URI", "")
        assert ours.block == body
        assert ours.offset == offset


needs_corpus = pytest.mark.skipif(
    not (SHARED / "whirlwind.warc.gz").exists(), reason="../shared/corpus is not there"
)


@needs_corpus
def test_one_page_of_common_crawl_as_warc_wet_and_wat():
    pages, counts = read_file(SHARED / "whirlwind.warc.gz")
    assert counts.dropped == {"not-a-page": 3}
    texts, counts = read_file(SHARED / "whirlwind.warc.wet.gz")
    assert counts.dropped == {"not-a-page": 1}
    assert [d["url"] for d in pages] == [d["url"] for d in texts]
    assert texts[0]["language"]
    assert pages[0]["title"] and pages[0]["digest"]
    words = set(pages[0]["text"].split())
    assert len(words & set(texts[0]["text"].split())) > 0.9 * len(words)
    assert not read_file(SHARED / "whirlwind.warc.wat.gz")[0]
