"""Words one character at a time, by the same table of classes: the slow twin of `dspipe.text.words`."""

from __future__ import annotations

from dspipe.text.unicode import CLASS, LETTER, MARK, NUMBER, SPACELESS, load_classes


def entry_of(character: str) -> int:
    blocks, classes = load_classes()
    point = ord(character)
    return int(classes[int(blocks[point // 128]) * 128 + point % 128])


def class_of(character: str) -> int:
    return entry_of(character) & CLASS


def split_words(text: str) -> list[str]:
    words: list[str] = []
    open_word = False  # the next letter or number goes on with it
    attached = False  # the next mark belongs to the last word
    for character in text:
        entry = entry_of(character)
        kind = entry & CLASS
        if kind == MARK and attached:
            words[-1] += character
        elif kind in (LETTER, NUMBER) and entry & SPACELESS:
            words.append(character)
            open_word, attached = False, True
        elif kind in (LETTER, NUMBER):
            if open_word:
                words[-1] += character
            else:
                words.append(character)
            open_word = attached = True
        else:
            open_word = attached = False
    return words


def hash_word(word: str) -> int:
    """The hash that `dspipe.text.words.hash_bytes` documents, in plain integers."""
    low = (1 << 64) - 1
    data = word.encode()
    value = len(data) * 0x9E3779B97F4A7C15 & low
    for start in range(0, len(data), 8):
        value = (value ^ int.from_bytes(data[start : start + 8], "little")) * 0xFF51AFD7ED558CCD & low
        value ^= value >> 29
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & low
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & low
    return value ^ value >> 33
