"""Kernels cut texts where the regexes of the patterns cut them, and never leave the text."""

from __future__ import annotations

import ctypes
import mmap
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.bpe.pieces.library import LibrarySplitter
from dspipe.bpe.pieces.patterns import describe_pattern
from dspipe.text.arrow import read_only
from tests.bpe.pieces.texts import (
    KERNELS,
    cut,
    cut_by_library,
    draw_texts,
    find_ends,
    frozen,
    splitter,
    texts,
)
from tests.reference import pieces as twin

# Worked out by hand from the rules; "·" stands for a space, "⏎" for a line break, "⇥" for a tabulator.
DEEPSEEK = {
    "a··b": "a|·|·b",
    "a··1": "a|··|1",
    "a··中": "a|··|中",
    "·カ": "·|カ",
    "!中": "!|中",
    "a中文b": "a|中文|b",
    "・⏎": "・|⏎",
    "!⏎": "!⏎",
    "!!hello": "!!|hello",
    "·.com": "·.|com",
    "don't": "don|'t",
    "'sé": "'s|é",
    "!a\u0301": "!a|\u0301",
    "⏎word": "⏎|word",
    "⇥word": "⇥word",
    "a\x1fb": "a|\x1fb",
    "\x00\x00a": "\x00|\x00a",
    "··\x00": "·|·|\x00",
    "👨\u200d👩": "👨|\u200d|👩",
    "1234": "123|4",
    "1½Ⅷx": "1½Ⅷ|x",
    "x·⏎⏎·": "x|·⏎⏎|·",
    "一\u0301": "一|\u0301",
    "〇〆々": "〇|〆々",
    "\u3040カ": "\u3040カ",
    "カ\u3040": "カ|\u3040",
    "゛カ": "゛|カ",
    "foo();⏎⏎⇥bar": "foo|();⏎⏎|⇥bar",
    "x··⏎··y": "x|··⏎|·|·y",
    "_foo_bar": "_foo|_bar",
    "//comment": "//|comment",
    "\ufeff·hi": "\ufeff|·hi",
    "\ufeffhi": "\ufeffhi",
}
LLAMA = {
    "I'll·DON'T·'sad": "I|'ll|·DON|'T|·'|sad",
    "'ſa": "'ſ|a",
    "'sé's": "'s|é|'s",
    "a··b··1": "a|·|·b|·|·|1",
    "1234·5": "123|4|·|5",
    "don(x)": "don|(x|)",
    "«été»": "«été|»",
    "((x": "((|x",
    "नमस्ते": "नमस|्त|े",
    "!⏎⏎··x": "!⏎⏎|·|·x",
    "a·⏎·⏎·b": "a|·⏎·⏎|·b",
}
GPT2 = {
    "I'll·DON'T·'sad": "I|'ll|·DON|'|T|·'|sad",
    "'ſa": "'|ſa",
    "a··b··12345": "a|·|·b|·|·12345",
    "don(x)": "don|(|x|)",
    "!⏎⏎··x": "!|⏎⏎·|·x",
    "x⇥y": "x|⇥|y",
}
EXAMPLES = [
    *(("deepseek-v3", *example) for example in DEEPSEEK.items()),
    *(("llama-3", *example) for example in LLAMA.items()),
    *(("gpt-2", *example) for example in GPT2.items()),
    ("qwen-2", "123·4", "1|2|3|·|4"),
]


@pytest.mark.parametrize(("pattern", "text", "pieces"), EXAMPLES)
def test_text_is_cut_where_the_pattern_cuts_it(pattern: str, text: str, pieces: str) -> None:
    plain = text.translate({ord("·"): " ", ord("⏎"): "\n", ord("⇥"): "\t"})
    expected = pieces.translate({ord("·"): " ", ord("⏎"): "\n", ord("⇥"): "\t"}).split("|")
    assert cut_by_library(pattern, plain) == expected
    assert cut(pattern, plain) == expected


@pytest.mark.parametrize("pattern", KERNELS)
def test_an_example_is_cut_alike_wherever_it_stands_among_64_bytes(pattern: str) -> None:
    for before in range(66):
        text = "b" * before + "\n\n" + "\n\n".join((*DEEPSEEK, *LLAMA, *GPT2)).replace("·", " ")
        assert find_ends(splitter(pattern), [text, "·" * 40])[0] == twin.find_ends(pattern, text.encode())


@pytest.mark.parametrize("pattern", KERNELS)
def test_white_space_is_cut_alike_however_long_it_is(pattern: str) -> None:
    drawn = [
        before + blank * count + behind
        for before in ("a\n", ";\n", "\n", "a")
        for blank in (" ", "\t")
        for count in (*range(1, 10), 15, 16, 17, 31, 32, 33, *range(55, 70), 140)
        for behind in ("\nb", "b", ";", "1", "中", "")
    ]
    assert find_ends(splitter(pattern), drawn) == [twin.find_ends(pattern, text.encode()) for text in drawn]


@pytest.mark.parametrize("pattern", KERNELS)
def test_random_texts_are_cut_where_the_library_cuts_them(pattern: str) -> None:
    drawn = draw_texts(seed=7, count=1500)
    for text, ends in zip(drawn, find_ends(splitter(pattern), drawn), strict=True):
        data = text.encode()
        pieces = [data[begin:end].decode() for begin, end in zip([0, *ends], ends, strict=False)]
        assert pieces == cut_by_library(pattern, text), repr(text)


@pytest.mark.parametrize("pattern", KERNELS)
@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_kernels_twins_and_the_library_agree(pattern: str, drawn: list[str]) -> None:
    for text, ends in zip(drawn, find_ends(splitter(pattern), drawn), strict=True):
        assert ends == twin.find_ends(pattern, text.encode())
        assert cut(pattern, text) == cut_by_library(pattern, text)


@pytest.mark.parametrize("pattern", KERNELS)
@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=90), texts.map(str.encode)), min_size=1, max_size=5))
def test_bytes_that_are_no_utf8_are_cut_as_the_twin_cuts_them(pattern: str, drawn: list[bytes]) -> None:
    assert find_ends(splitter(pattern), drawn) == [twin.find_ends(pattern, text) for text in drawn]


BROKEN = [
    b"\xc0\xa1A",
    b"\xe0\x80\xa1A",
    b"\xf0\x80\x80\xa1A",
    b"!\xc0\x8a\x8a",
    b"\xed\xa0\x80A",
    b"'\xe0\x85\xbf",
]
BROKEN += [
    b"\xf4\x90\x80\x80a",
    b"\xf8\x88\x80\x80\x80a",
    b"\xff\xfea",
    b"  \x80a",
    b"a\xe4\xb8",
    b"\xf0\x9f\x98a",
]


@pytest.mark.parametrize("pattern", KERNELS)
def test_bytes_that_begin_no_character_are_each_one_of_class_other(pattern: str) -> None:
    """As the library cuts the text if a character for private use stands for each of them."""
    drawn = [
        before + text + behind
        for text in BROKEN
        for before in (b"", b"ab ", b"1")
        for behind in (b"", b"\n" * 70)
    ]
    library = LibrarySplitter(describe_pattern(pattern))
    assert find_ends(splitter(pattern), drawn) == find_ends(library, drawn)
    assert find_ends(splitter(pattern), drawn) == [twin.find_ends(pattern, text) for text in drawn]


@pytest.mark.parametrize("pattern", KERNELS)
def test_texts_with_single_bytes_changed_are_cut_as_the_twin_cuts_them(pattern: str) -> None:
    random = Random(3)
    drawn = []
    for text in draw_texts(seed=8, count=400):
        changed = bytearray(text.encode())
        for _ in range(3 if changed else 0):
            changed[random.randrange(len(changed))] = random.randrange(256)
        drawn.append(bytes(changed))
    assert find_ends(splitter(pattern), drawn) == [twin.find_ends(pattern, text) for text in drawn]


@pytest.mark.parametrize("pattern", KERNELS)
@pytest.mark.parametrize("room", [1, 2, 7, 63, 64, 1000])
def test_the_room_for_ends_does_not_change_them(pattern: str, room: int) -> None:
    drawn = draw_texts(seed=9, count=60)
    assert find_ends(splitter(pattern), drawn, room) == find_ends(splitter(pattern), drawn)


@pytest.mark.parametrize("pattern", KERNELS)
def test_no_piece_crosses_documents_and_an_empty_one_has_none(pattern: str) -> None:
    drawn = ["", "ab", "", "", "cd ", "  ", "\n", "", "12", "345", "x" * 200, "y" * 200, ""]
    alone = [find_ends(splitter(pattern), [text])[0] for text in drawn]
    assert find_ends(splitter(pattern), drawn) == alone
    assert all(ends[-1:] == [len(text)] or not text for text, ends in zip(drawn, alone, strict=True))


@pytest.mark.parametrize("pattern", KERNELS)
def test_what_is_around_the_texts_is_not_looked_at(pattern: str) -> None:
    drawn = b"".join(text.encode()[:-1] for text in draw_texts(seed=10, count=40))
    found = []
    for around in (b"", b"a" * 99, b"\x80" * 99, b"\n" * 99, b"9" * 99):
        text = frozen(around + drawn + around)
        offsets = read_only(np.array([len(around), len(around) + len(drawn)]))
        place, ends = np.array([0, len(around)]), np.empty(len(drawn), np.int64)
        found.append(ends[: splitter(pattern).split(text, offsets, place, ends)] - len(around))
    assert all(np.array_equal(ends, found[0]) for ends in found)


@pytest.mark.parametrize("pattern", KERNELS)
def test_nothing_is_read_before_the_first_byte_or_past_the_last(pattern: str) -> None:
    """The texts end where memory ends that may be read: a step further would end the process."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    for guarded in (base, base + 2 * page):
        assert (
            protect(ctypes.c_void_p(guarded), page, 0) == 0  # neither read nor write
        )
    drawn = [text.encode() for text in draw_texts(seed=11, count=300)]
    drawn += [text[:-1] for text in drawn] + [b"\xf0", b"ab\xe4\xb8", b"\xf0\x9f\x98", b"'r", b"'\xc5", b" "]
    drawn += [
        (b"ab " * 50)[:before] + text[:-1]
        for before in range(60, 130)
        for text in ("中".encode(), "👨".encode())
    ]
    for text in drawn:
        for start in (page, 2 * page - len(text)):
            whole = np.frombuffer(memory, np.uint8)
            view = whole[start : start + len(text)]
            view[:] = np.frombuffer(text, np.uint8)
            offsets = read_only(np.array([0, len(text)]))
            place, ends = np.array([0, 0]), np.empty(len(text) + 1, np.int64)
            count = splitter(pattern).split(read_only(view), offsets, place, ends)
            assert ends[:count].tolist() == twin.find_ends(pattern, text)
