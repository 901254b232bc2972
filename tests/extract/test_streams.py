"""Blocks and lines of files, whatever these are compressed with, wherever they break or are entered."""

import bz2
import gzip
import lzma
import random
from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.extract.formats.streams import Blocks, BrokenStream, enter_lines, read_blocks, split_lines
from dspipe.extract.sources.file import open_source
from dspipe.extract.spans import Span
from dspipe.recipe import Extract
from tests.extract.crawls import open_file, read_span
from tests.extract.servers import serve_web


def with_arrow(codec):
    def compress(data):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as out:
            out.write(data)
        return sink.getvalue().to_pybytes()

    return compress


def frames(data):
    """As pzstd and seekable zstd have it: frames, and others that are to be skipped."""
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"\0\1\2\3"
    zstd = with_arrow("zstd")
    return skippable + zstd(data[:999]) + skippable + zstd(data[999:]) + skippable


def members(data):
    """Many small members, and the zeros that a tape pads with."""
    return b"".join(gzip.compress(data[i : i + 777]) for i in range(0, len(data), 777)) + bytes(70_000)


def compress_xz(data):
    return lzma.compress(data, preset=0)


WHOLE = [bytes, gzip.compress, bz2.compress, compress_xz, with_arrow("zstd"), with_arrow("lz4")]
COMPRESSIONS = [*WHOLE, members, frames, lambda data: bz2.compress(data[:5]) + bz2.compress(data[5:])]
DATA = b"".join(b"%d %s\n" % (i, random.Random(i).randbytes(i % 90).replace(b"\n", b"")) for i in range(9000))


def open_bytes(tmp_path, content):
    (tmp_path / "x.txt").write_bytes(content)
    return open_source(open_file(tmp_path / "x.txt"))


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_a_file_is_the_same_whatever_it_is_compressed_with(tmp_path, compress):
    with open_bytes(tmp_path, compress(DATA)) as stream:
        assert b"".join(read_blocks(stream)) == DATA


@pytest.mark.parametrize("compress", WHOLE[1:])
@pytest.mark.parametrize("share", [0.3, 0.9999])
def test_what_lies_before_a_break_is_read_and_the_break_is_told(tmp_path, compress, share):
    whole = compress(DATA)
    blocks = []
    with open_bytes(tmp_path, whole[: int(len(whole) * share)]) as stream:
        with pytest.raises(BrokenStream, match="truncated"):
            blocks.extend(read_blocks(stream))
        stream.raise_failure()
    assert DATA.startswith(b"".join(blocks))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("compress", WHOLE[1:])
def test_damage_is_told_as_such(tmp_path, compress, seed):
    damaged = bytearray(compress(DATA[: 1 << 16]))
    noise = random.Random(seed)
    for _ in range(3):
        damaged[noise.randrange(20, len(damaged))] ^= noise.randrange(1, 256)
    with open_bytes(tmp_path, bytes(damaged)) as stream, suppress(BrokenStream):
        assert len(b"".join(read_blocks(stream))) <= 2 << 16
        stream.raise_failure()


def test_a_small_file_may_hold_more_than_memory_does(tmp_path):
    with open_bytes(tmp_path, gzip.compress(bytes(1 << 26))) as stream:
        sizes = [len(block) for block in read_blocks(stream)]
    assert sum(sizes) == 1 << 26
    assert max(sizes) <= 1 << 20


def test_a_line_without_end_is_too_large_and_is_not_kept():
    blocks = [b"ab\n", *[b"x" * 1000] * 100, b"yy\ncd\n", b"last"]
    lines = list(split_lines(iter(blocks), 5000))
    assert lines == [
        (0, b"ab", 3),
        (3, None, 100_006),
        (100_006, b"cd", 100_009),
        (100_009, b"last", 100_013),
    ]


@given(st.lists(st.text("ab\n", max_size=9).map(str.encode), max_size=20), st.integers(0, 6))
def test_lines_do_not_depend_on_blocks(blocks, limit):
    whole = b"".join(blocks)
    expected, offset = [], 0
    for line in whole.splitlines(keepends=True):
        text = line.removesuffix(b"\n")
        expected.append((offset, text if len(text) <= limit else None, offset + len(line)))
        offset += len(line)
    assert list(split_lines(iter(blocks), limit)) == expected


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.lists(st.integers(0, 80), max_size=4))
def test_blocks_are_passed_over_exactly(pieces, offsets):
    whole, blocks = b"".join(pieces), Blocks(iter(pieces))
    for offset in sorted(offsets):
        blocks.skip_to(offset)
        assert blocks.position == min(offset, len(whole))
    start = blocks.position
    assert b"".join(blocks) == whole[start:]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_file_is_entered_at_a_line_or_at_an_exact_offset(tmp_path, compress):
    lines = b"first\n\nsecond line\nlast"
    for begin in range(1, len(lines) + 2):
        with open_bytes(tmp_path, compress(lines)) as stream:
            exact = enter_lines(stream, Span(begin, None, exact=True))
            assert b"".join(exact) == lines[begin:]
        with open_bytes(tmp_path, compress(lines)) as stream:
            found = enter_lines(stream, Span(begin))
            if compress is bytes:
                rest = lines[begin - 1 :].partition(b"\n")[2]
                assert (found.position, b"".join(found)) == (len(lines) - len(rest), rest)
            else:
                assert found is None


def test_only_the_first_span_reads_what_a_server_without_ranges_sends(tmp_path):
    size = (tmp_path / "x.jsonl").write_bytes(b'{"text": "a"}\n' * 30_000)
    with serve_web(tmp_path, ranges=False) as (address, behaviour):
        file = open_file(f"{address}/x.jsonl")
        behaviour.asked.clear()
        assert read_span(file, Span(size // 2), Extract())[:3] == ([], [], [])
        assert behaviour.asked == {"/x.jsonl": 1}
        boundaries, documents, *_ = read_span(file, Span(0, size // 2), Extract())
        assert (len(documents), boundaries[-1]) == (30_000, size)
