"""Archives of every compression: records are found from anywhere, and damage costs what it touches."""

from __future__ import annotations

import gzip
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastwarc.stream_io import Lz4Writer

from dspipe.extract.archives.compression import Frames, Gzip
from dspipe.extract.readers import READERS
from dspipe.extract.rows import Rows
from dspipe.extract.spans import Span
from dspipe.recipe import DspipeError, Extract
from tests.extract.crawls import make_record, open_file, read_span, read_spans

SETTINGS = Extract(max_characters=100_000)


def compress_with_arrow(codec: str) -> Callable[[bytes], bytes]:
    def compress(data: bytes) -> bytes:
        out = pa.BufferOutputStream()
        with pa.CompressedOutputStream(out, codec) as stream:
            stream.write(data)
        return bytes(out.getvalue().to_pybytes())

    return compress


def store(data: bytes) -> bytes:
    """Gzip that leaves its bytes as they are, so that what looks like a member in them can be seen."""
    return gzip.compress(data, 0)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "stored": store,
    "zstd": compress_with_arrow("zstd"),
    "lz4": compress_with_arrow("lz4"),
}
every_compression = pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)


def make_text(number: int, length: int = 60) -> bytes:
    words = random.Random(number).choices(
        ["lorem", "ipsum", "dolor\r\n\r\nsit", "amet\n", "WARC/1.0"], k=length
    )
    return f"Text {number}. {' '.join(words)}".encode()


def make_texts(count: int, length: int = 60) -> list[bytes]:
    """Records that hold text, with a request between some of them."""
    records = []
    for number in range(count):
        kind = "request" if number % 5 == 3 else "conversion"
        records.append(make_record(make_text(number, length), kind, number))
    return records


def write(path: Path, *parts: bytes) -> Any:
    path.write_bytes(b"".join(parts))
    return open_file(path, format="warc")


def number_of(document: dict[str, Any]) -> int:
    """That of a text's record; -1 where its address is damaged, which not every compression notices."""
    digits = (document["url"] or "").rpartition("/")[2]
    return int(digits) if digits.isdecimal() else -1


def read_all(file: Any) -> tuple[list[int], list[dict[str, Any]], list[dict[str, Any]]]:
    return read_span(file, Span(), SETTINGS)[:3]


@every_compression
def test_every_record_is_found_where_its_member_begins(tmp_path, compress):
    members = [compress(record) for record in make_texts(12)]
    boundaries, documents, unused = read_all(write(tmp_path / "x", *members))
    begins = [sum(map(len, members[:n])) for n in range(13)]
    assert boundaries == begins
    assert [d["origin"]["offset"] for d in documents] == [b for n, b in enumerate(begins[:12]) if n % 5 != 3]
    assert [(d["reason"], d["offset"]) for d in unused] == [
        ("not-a-page", begins[3]),
        ("not-a-page", begins[8]),
    ]


@every_compression
def test_a_file_cut_anywhere_gives_the_same_rows(tmp_path, compress):
    file = write(tmp_path / "x", *(compress(record) for record in make_texts(3, 4)))
    whole = read_all(file)
    for cut in range(1, file.bytes):
        assert read_spans(file, [cut], SETTINGS) == whole, cut
    for begin in range(1, file.bytes - 60, 41):
        assert read_spans(file, [begin, begin + 29, begin + 58], SETTINGS) == whole, begin


def together(records: list[bytes], compress: Callable[[bytes], bytes]) -> list[bytes]:
    """Members of several records each, the last of all of them."""
    return [compress(b"".join(records[n : n + 3])) for n in range(0, len(records), 3)] + [
        compress(b"".join(records))
    ]


@every_compression
def test_reading_goes_on_at_every_boundary(tmp_path, compress):
    records = make_texts(7)
    layouts = {
        "single": [compress(record) for record in records],
        "together": together(records, compress),
        "whole": [compress(b"".join(records))],
        "blocks": [compress(b"".join(records)[n : n + 333]) for n in range(0, len(b"".join(records)), 333)],
        "padded": [bytes(7), *(compress(record) + compress(b"") + bytes(9) for record in records)],
        "damaged": [
            compress(records[0]),
            b"garbage " * 9,
            compress(records[1])[:90],
            *map(compress, records[2:]),
        ],
    }
    for name, members in layouts.items():
        file = write(tmp_path / name, *members)
        boundaries, documents, unused = read_all(file)
        assert boundaries[-1] >= file.bytes
        assert len(documents) >= 4, name
        rows = [(d["origin"]["offset"], d["text"]) for d in documents] + [
            (d["offset"], d["reason"]) for d in unused
        ]
        for boundary in boundaries[:-1]:
            found = read_span(file, Span(boundary, exact=True), SETTINGS)
            assert found[0] == boundaries[boundaries.index(boundary) :], name
            rest = [(d["origin"]["offset"], d["text"]) for d in found[1]]
            rest += [(d["offset"], d["reason"]) for d in found[2]]
            assert rest == [row for row in rows if row[0] >= boundary], name


def test_records_of_one_member_are_numbered_from_its_offset(tmp_path):
    records = make_texts(3)
    first = gzip.compress(records[0])
    file = write(tmp_path / "x", first, gzip.compress(b"".join(records)))
    boundaries = read_all(file)[0]
    assert boundaries == [0, len(first), len(first) + 1, len(first) + 2, file.bytes]


@pytest.mark.parametrize("compress", [bytes, store], ids=["plain", "stored"])
def test_an_archive_in_a_record_does_not_become_records_of_its_own(tmp_path, compress):
    inner = b"".join(gzip.compress(record) for record in make_texts(9))
    plain = b"".join(make_texts(9))
    records = [
        make_record(make_text(20), "conversion", 20),
        make_record(inner, "metadata", 21),
        make_record(make_text(22), "conversion", 22),
        make_record(plain, "metadata", 23),
        make_record(make_text(24), "conversion", 24),
    ]
    file = write(tmp_path / "x", *map(compress, records))
    whole = read_all(file)
    assert [number_of(d) for d in whole[1]] == [20, 22, 24]
    for cut in range(1, file.bytes, 37):
        assert read_spans(file, [cut], SETTINGS) == whole, cut
    assert read_spans(file, list(range(50, file.bytes, 150)), SETTINGS) == whole


@every_compression
def test_padding_and_empty_members_are_no_records(tmp_path, compress):
    texts = [compress(record) for record in make_texts(3)]
    padding = bytes(300) if compress is not bytes else b"\r\n" * 9
    empty = compress(b"") + compress(b"\r\n") + padding
    _, documents, unused = read_all(
        write(tmp_path / "x", padding, texts[0], empty, texts[1], texts[2], empty)
    )
    assert [number_of(d) for d in documents] == [0, 1, 2]
    assert not unused


@every_compression
def test_bytes_behind_the_last_record_are_one_malformed_record(tmp_path, compress):
    members = [compress(record) for record in make_texts(3)]
    _, documents, unused = read_all(write(tmp_path / "x", *members, b"garbage\n" * 20))
    assert [number_of(d) for d in documents] == [0, 1, 2]
    assert [(d["reason"], d["offset"]) for d in unused] == [("malformed", sum(map(len, members)))]


@every_compression
def test_a_file_cut_short_anywhere_loses_the_record_that_is_cut(tmp_path, compress):
    members = [compress(record) for record in make_texts(2, 4)]
    content = b"".join(members)
    tail = 4 if compress is bytes else 0  # the empty lines behind a record may be missing
    begins = [sum(map(len, members[:n])) for n in range(3)]
    for size in range(1, len(content)):
        _, documents, unused = read_all(write(tmp_path / "x", content[:size]))
        whole = [n for n in range(2) if begins[n + 1] <= size + tail]
        assert [number_of(d) for d in documents] == whole
        if size not in begins and len(documents) < 2 and size > begins[len(whole)] + (tail and 1):
            assert [d["offset"] for d in unused] == [begins[len(whole)]]
            assert unused[0]["reason"] in ("truncated", "malformed")


@pytest.mark.parametrize("place", [-8, -5, -1])
def test_a_member_with_a_wrong_checksum_is_not_used(tmp_path, place):
    members = [bytearray(gzip.compress(record)) for record in make_texts(3)]
    members[1][place] ^= 1
    _, documents, unused = read_all(write(tmp_path / "x", *members))
    assert [number_of(d) for d in documents] == [0, 2]
    assert [d["reason"] for d in unused] == ["malformed"]


def damage(content: bytes, chance: random.Random) -> tuple[bytes, int, int]:
    """The content with something wrong, and the first and last byte that is touched."""
    place = chance.randrange(len(content))
    kind = chance.randrange(4)
    if kind == 0:
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        return bytes(flipped), place, place
    if kind == 1:
        return content[:place], place, len(content)
    size = chance.randrange(1, 900)
    if kind == 2:
        return content[:place] + content[place + size :], place, place + size
    return content[:place] + chance.randbytes(size) + content[place:], place, place


@every_compression
def test_damage_costs_no_record_that_is_more_than_one_away(tmp_path, compress):
    chance = random.Random(1)
    members = [compress(record) for record in make_texts(14, 90)]
    begins = [sum(map(len, members[:n])) for n in range(15)]
    content = b"".join(members)
    for _ in range(150):
        damaged, first, last = damage(content, chance)
        file = write(tmp_path / "x", damaged)
        boundaries, documents, unused = read_all(file)
        touched = [n for n in range(14) if begins[n + 1] > first and begins[n] <= last]
        unharmed = [n for n in range(14) if n < min(touched) - 1 or n > max(touched) + 1]
        moved = len(damaged) - len(content)
        found = {(number_of(d), d["origin"]["offset"]) for d in documents}
        for number in unharmed:
            offset = begins[number] + (moved if number > max(touched) else 0)
            assert number % 5 == 3 or (number, offset) in found
        assert len(documents) + len(unused) >= 14 - len(touched)
        assert boundaries[-1] >= file.bytes


@every_compression
def test_damaged_files_too_can_be_cut_anywhere(tmp_path, compress):
    chance = random.Random(2)
    content = b"".join(compress(record) for record in make_texts(8, 40))
    for _ in range(60):
        damaged = damage(damage(content, chance)[0] or b"x", chance)[0]
        file = write(tmp_path / "x", damaged)
        whole = read_all(file)
        cuts = sorted(chance.sample(range(1, len(damaged) + 1), min(5, len(damaged))))
        assert read_spans(file, cuts, SETTINGS)[1:] == whole[1:]


def test_zstd_with_a_dictionary_is_refused_with_a_sentence(tmp_path):
    frame = compress_with_arrow("zstd")(make_texts(1)[0])
    marked = b"\x5d\x2a\x4d\x18\x04\0\0\0dict" + frame
    head = 5 + (not frame[4] & 0x20)
    needing = frame[:4] + bytes([frame[4] | 1]) + frame[5:head] + b"\7" + frame[head:]
    for content in (marked, needing):
        with pytest.raises(DspipeError, match="is compressed by zstd with a dictionary; decompress it"):
            read_all(write(tmp_path / "x", content))


def test_a_flipped_bit_that_asks_for_a_dictionary_is_damage(tmp_path):
    members = [bytearray(compress_with_arrow("zstd")(record)) for record in make_texts(3)]
    members[0][4] |= 1
    _, documents, unused = read_all(write(tmp_path / "x", *members))
    assert [number_of(d) for d in documents] == [1, 2]
    assert [row["reason"] for row in unused] == ["malformed"]


def test_frames_that_are_to_be_skipped_are_padding(tmp_path):
    skipped = b"\x50\x2a\x4d\x18\x05\0\0\0hello"
    for codec in ("zstd", "lz4"):
        members = [compress_with_arrow(codec)(record) for record in make_texts(3)]
        boundaries, documents, unused = read_all(write(tmp_path / "x", *(skipped + m for m in members)))
        assert len(documents) == 3 and not unused and len(boundaries) == 4


def test_lz4_as_crawlers_write_it(tmp_path):
    path = tmp_path / "x.warc.lz4"
    members = []
    for record in make_texts(4):
        with Lz4Writer(str(path)) as writer:
            writer.write(record)
        members.append(path.read_bytes())
    assert len(read_all(write(path, *members))[1]) == 3


def test_a_bomb_before_or_behind_a_record_takes_no_memory(tmp_path):
    import resource

    path = tmp_path / "x.warc.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        for _ in range(16):
            out.write(bytes(4 << 20))
        out.write(make_texts(1)[0])
        for _ in range(16):
            out.write(b"\r\n" * (2 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(read_all(write(path, path.read_bytes(), gzip.compress(make_texts(1)[0])))[1]) == 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10  # KiB


@every_compression
def test_a_record_that_is_too_large_is_passed_over(tmp_path, compress):
    large = make_record(b"word " * 200_000, "conversion", 7)
    members = [compress(record) for record in (*make_texts(2), large, *make_texts(2))]
    _, documents, unused = read_all(write(tmp_path / "x", *members))
    assert [number_of(d) for d in documents] == [0, 1, 0, 1]
    assert [d["reason"] for d in unused] == ["too-large"]


@every_compression
def test_a_wrong_length_costs_its_record_only(tmp_path, compress):
    for length in (0, 10, 399, 405, 5000, 900_000, 10**12, 10**17):
        wrong = make_record(b"x" * 400, "conversion", 7, length=length)
        members = [compress(record) for record in (*make_texts(2), wrong, *make_texts(3))]
        _, documents, unused = read_all(write(tmp_path / "x", *members))
        assert [number_of(d) for d in documents] == [0, 1, 0, 1, 2], length
        assert len(unused) == 1
        assert unused[0]["reason"] in ("malformed", "truncated")


def test_records_that_killed_a_worker_are_passed_over(tmp_path):
    members = [gzip.compress(record) for record in make_texts(3)]
    file = write(tmp_path / "x", *members)
    _, documents, unused, _ = read_span(file, Span(), SETTINGS, frozenset([len(members[0])]))
    assert [number_of(d) for d in documents] == [0, 2]
    assert [(d["reason"], d["offset"]) for d in unused] == [("crashed", len(members[0]))]


@pytest.mark.parametrize("codec", [Gzip, Frames])
def test_a_member_that_kills_whoever_decompresses_it_costs_one_record(tmp_path, monkeypatch, codec):
    compress = gzip.compress if codec is Gzip else COMPRESSIONS["zstd"]
    members = [compress(record) for record in make_texts(3)]
    file, places = write(tmp_path / "x", *members), [sum(map(len, members[:n])) for n in range(4)]
    read = codec.read
    for number in range(3):

        def kill(self, place=places[number]):
            if self._begin == place:
                raise KeyboardInterrupt
            return read(self)

        monkeypatch.setattr(codec, "read", kill)
        reached = []
        with pytest.raises(KeyboardInterrupt):
            for place in READERS["warc"](file, Span(), Rows(SETTINGS.max_characters), SETTINGS):
                reached.append(place)
        assert reached[-1] == places[number]
        found = read_span(file, Span(), SETTINGS, frozenset([places[number]]))
        assert found[0] == places
        assert [number_of(d) for d in found[1]] == [n for n in range(3) if n != number]
        assert [(d["reason"], d["offset"]) for d in found[2]] == [("crashed", places[number])]


def test_what_only_begins_like_gzip_is_no_member(tmp_path):
    content = b"\x1f\x8b\x08" * 3000 + zlib.compress(b"x")
    _, documents, unused = read_all(write(tmp_path / "x", content, gzip.compress(make_texts(1)[0])))
    assert len(documents) == 1
    assert [(d["reason"], d["offset"]) for d in unused] == [("malformed", 0)]


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_what_only_begins_like_a_frame_is_no_member_and_costs_no_time(tmp_path, codec):
    member = compress_with_arrow(codec)(make_texts(1)[0])
    before = time.process_time()
    _, documents, unused = read_all(write(tmp_path / "x", member, member[:4] * 50_000, member))
    assert time.process_time() - before < 1
    assert len(documents) == 2
    assert [(d["reason"], d["offset"]) for d in unused] == [("malformed", len(member))]


def test_lengths_that_lie_cost_no_more_time_than_others(tmp_path):
    lie = make_record(b"x" * 50, "conversion", length=300_000)
    _, documents, unused = read_all(write(tmp_path / "x", gzip.compress(lie * 9000)))
    assert not documents
    assert len(unused) == 9000
