"""Turns a code point into its class and flags by a two-level table that is shipped with dspipe.

The table is data of one named Unicode version, so that every machine and every Python splits words alike; the
standard library's `unicodedata` changes with Python and is never asked. `python -m dspipe.text.unicode`
builds the file anew from the package `unicodedata2`. A code point's entry is classes[index[code point >> 7]
<< 7 | its low 7 bits]: a uint16 with the class in its low three bits and flags above. The first 128 entries
are ASCII.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.text.arrow import read_only
from dspipe.text.kernel import kernel

VERSION = "17.0.0"
FILE = Path(__file__).with_name(f"classes-{VERSION}.npz")

OTHER, LETTER, MARK, NUMBER, PUNCTUATION, SYMBOL, SPACE, NEWLINE = range(8)
CLASS = 7  # mask of the class
SPACELESS = 1 << 3  # a letter of a script written without spaces between words
SENTENCE_END = 1 << 4  # Sentence_Terminal, and the ellipsis
CLOSING = 1 << 5  # a quotation mark or closing bracket: what may follow the end of a sentence
BULLET = 1 << 6  # starts an item of a list; "-" and "*" do so before a space and are not flagged
COMPOSES = 1 << 7  # normalization to NFC may change a text that has it
LOWER = 1 << 8  # lower case or title case, as str.isupper knows them
UPPER = 1 << 9

BLOCK = 128
BLOCKS = 0x200000 // BLOCK  # all that four UTF-8 bytes can say, so that broken text stays inside the table

# Sentence_Terminal of PropList.txt 17.0, and U+2026, which ends sentences in Chinese and in half of the web.
SENTENCE_ENDS = (
    "21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 "
    "17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F "
    "2024 2026 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 "
    "A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61 "
    "10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF "
    "11238-11239 1123B-1123C 112A9 113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E "
    "11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 "
    "16B44 16D6E-16D6F 16E98 1BC9F 1DA88 F0D-F0E"
)
# Thai, Lao, Tibetan, Myanmar, Khmer, Tai Le, New Tai Lue, Tai Tham, Balinese, Han and kana, Javanese, Myanmar
# extended, Tai Viet, Tangut, Nushu: of these the letters.
SPACELESS_BLOCKS = (
    "E00-E7F E80-EFF F00-FFF 1000-109F 1780-17FF 1950-197F 1980-19DF 1A20-1AAF 1B00-1B7F 2E80-2FDF 3005-3006 "
    "3031-3035 303B-303C 3041-30FF 31F0-31FF 3400-4DBF 4E00-9FFF A980-A9DF A9E0-A9FF AA60-AA7F AA80-AADF "
    "F900-FAFF FF66-FF9F 16FE0-18D7F 1AFF0-1B2FF 20000-3FFFF"
)
BULLETS = (
    "B7 2022-2023 2043 204C-204D 2219 25A0-25A1 25AA-25AB 25B6 25B8 25BA 25C6-25C7 25CB 25CF 25D8 25E6 2756 "
    "2794 27A2 27A4"
)
WHITE_SPACE = "9-D 20 85 A0 1680 2000-200A 2028-2029 202F 205F 3000"
# Other_Lowercase and Other_Uppercase of PropList.txt 17.0.
OTHER_LOWERCASE = (
    "AA BA 2B0-2B8 2C0-2C1 2E0-2E4 345 37A 10FC 1D2C-1D6A 1D78 1D9B-1DBF 2071 207F 2090-209C 2170-217F "
    "24D0-24E9 2C7C-2C7D A69C-A69D A770 A7F1-A7F4 A7F8-A7F9 AB5C-AB5F AB69 10780 10783-10785 10787-107B0 "
    "107B2-107BA 1E030-1E06D"
)
OTHER_UPPERCASE = "2160-216F 24B6-24CF 1F130-1F149 1F150-1F169 1F170-1F189"


class Classes(NamedTuple):
    """The table, as every kernel takes it: the number of each block, and the entries of the blocks."""

    blocks: NDArray[np.uint16]
    classes: NDArray[np.uint16]


@cache
def load_classes() -> Classes:
    """Read the table that is shipped with dspipe."""
    with np.load(FILE, allow_pickle=False) as stored:
        index = np.zeros(BLOCKS, np.uint16)
        index[: stored["index"].size] = stored["index"]
        index[stored["index"].size :] = stored["index"][
            -1
        ]  # past U+10FFFF as the private plane before: other
        return Classes(read_only(index), read_only(stored["classes"]))


@kernel
def read_character(text, position, end, index, classes):  # type: ignore[no-untyped-def]
    """Decode the character at `position`: its table entry | bytes << 16 | code point << 24.

    A character cut off by `end`, or a byte that starts none, is one byte of class other: code point 0.
    """
    first = np.int64(text[position])
    if first < 128:
        return np.int64(classes[first]) | (1 << 16) | (first << 24)
    length = 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
    if length == 1 or position + length > end:
        return np.int64(1 << 16)
    point = first & (0x7F >> length)
    for following in range(position + 1, position + length):
        point = (point << 6) | (np.int64(text[following]) & 0x3F)
    entry = np.int64(classes[(np.int64(index[point >> 7]) << 7) | (point & 127)])
    return entry | (length << 16) | (point << 24)


def read_ranges(text: str) -> Iterable[int]:
    """ "41-43 61" → 0x41, 0x42, 0x43, 0x61."""
    for span in text.split():
        first, _, last = span.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def build_classes() -> NDArray[np.uint16]:
    """One entry for each code point, from `unicodedata2` and the lists above."""
    import unicodedata2

    if unicodedata2.unidata_version != VERSION:
        raise SystemExit(f"needs Unicode {VERSION}: pip install unicodedata2=={VERSION.rsplit('.', 1)[0]}.*")
    categories = [unicodedata2.category(chr(point)) for point in range(0x110000)]
    major = {"L": LETTER, "M": MARK, "N": NUMBER, "P": PUNCTUATION, "S": SYMBOL, "C": OTHER, "Z": OTHER}
    entries = np.array([major[category[0]] for category in categories], np.uint16)
    entries[list(read_ranges(WHITE_SPACE))] = SPACE
    entries[[10, 13]] = NEWLINE
    letters = entries == LETTER
    named = {
        flag: np.isin(categories, wanted)
        for flag, wanted in ((LOWER, ("Ll", "Lt")), (UPPER, ("Lu",)), (CLOSING, ("Pe", "Pf")))
    }
    for flag, listed in (
        (SENTENCE_END, SENTENCE_ENDS), (BULLET, BULLETS), (LOWER, OTHER_LOWERCASE), (UPPER, OTHER_UPPERCASE),
        (CLOSING, "22 27"), (SPACELESS, SPACELESS_BLOCKS),
    ):  # fmt: skip
        chosen = named.setdefault(flag, np.zeros(entries.size, bool))
        chosen[list(read_ranges(listed))] = True
    named[SPACELESS] &= letters
    named[COMPOSES] = find_composing()
    for flag, chosen in named.items():
        entries[chosen] |= flag
    return entries


def find_composing() -> NDArray[np.bool_]:
    """Code points without which a text is in NFC: changed alone, second in a composition, or reordered."""
    import unicodedata2

    composes = np.zeros(0x110000, bool)
    composes[0x1161:0x1176] = composes[0x11A8:0x11C3] = (
        True  # Hangul vowels and finals join what is before them
    )
    for point in range(0x110000):
        character = chr(point)
        if unicodedata2.category(character) in ("Cn", "Co", "Cs"):
            continue
        changed = unicodedata2.normalize("NFC", character) != character
        composes[point] |= changed or unicodedata2.combining(character) > 0
        parts = unicodedata2.normalize("NFD", character)
        if not changed and len(parts) > 1 and not 0xAC00 <= point < 0xD7A4:
            composes[[ord(part) for part in parts[1:]]] = True
    return composes


def write_classes(path: Path = FILE) -> None:
    """Store the table as its distinct blocks and, for each block of code points, the number of its own."""
    blocks, index = np.unique(build_classes().reshape(-1, BLOCK), axis=0, return_inverse=True)
    index = index.ravel()
    order = np.concatenate([[index[0]], np.delete(np.arange(len(blocks)), index[0])])  # ASCII comes first
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    np.savez_compressed(path, index=rank[index].astype(np.uint16), classes=blocks[order].ravel())


if __name__ == "__main__":
    write_classes()
    print(f"{FILE}: {FILE.stat().st_size:,} bytes, Unicode {VERSION}")
