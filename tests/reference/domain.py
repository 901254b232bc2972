"""Marks of domains counted by regular expressions: the slow twin of `dspipe.filter.domains.counts`."""

from __future__ import annotations

import re
from collections import Counter

from dspipe.filter.domains.counts import LONG_LINE, PREFIX
from dspipe.filter.domains.marks import (
    BEGINNING_WORDS,
    LINE_BEGINNINGS,
    LINE_ENDS,
    NAMES,
    PAIRS,
    WORDS,
    WORDS_OF_ANY_CASE,
)
from dspipe.filter.domains.tokens import FORMULA

LONGEST_WORD = 16
LEAD = rb"\xc3-\xe1\xea-\xed"
INSIDE = rb"A-Za-z0-9_\x80-\xbf" + LEAD
TOKEN = re.compile(
    rb"(?P<times>\xc3[\x97\xb7])"
    rb"|(?P<word>[A-Za-z_" + LEAD + rb"][" + INSIDE + rb"]*)"
    rb"|(?P<number>[0-9](?:[0-9]|[.,](?=[0-9]))*)(?P<unit>[A-Za-z_][" + INSIDE + rb"]*)?"
    rb"|(?P<symbol>[\x80-\xff][\x80-\xbf]*)"
    rb"|(?P<command>\\[A-Za-z]+)"
    rb"|(?P<mark>[\x00-\x7f])",
    re.S,
)
KEY = re.compile(rb"(?:- )?[a-z_](?P<rest>[" + INSIDE + rb"-]*):(?: |\Z)", re.S)
MATHEMATICAL = re.compile(
    rb"\xe2(?:[\x88-\x8b]|[\x82\x84]|\x81[\xb0-\xff])|\xc2[\xb1-\xb3\xbc-\xbe]|\xf0\x9d[\x90-\x9f]|\xef\xbc[\x8b\x8d\x9d]"
)
SYMBOLS = {
    "mathematical symbol": MATHEMATICAL,
    "typographic mark": re.compile(rb"\xe2\x80|\xc2[\xa0\xab\xbb\xb7]"),
    "drawn arrow": re.compile(rb"\xe2[\x86\x87]"),
    "question mark": re.compile(rb"\xef\xbc\x9f"),
    "mark of ideographs": re.compile(rb"\xef\xbc\x8c|\xe3\x80[\x81\x82]"),
}
SHAPES = {
    "camel case": re.compile(rb".*[a-z][A-Z]", re.S),
    "foreign word": re.compile(rb"[" + LEAD + rb"]|.*[" + LEAD + rb"]", re.S),
    "letter of Greek": re.compile(rb"[\xce\xcf].\Z", re.S),
    "capitals": re.compile(rb"[A-Z]{2,}\Z"),
    "lone letter": re.compile(rb"[b-zB-HJ-Z]\Z"),
}


def list_pairs(marks: dict[str, str]) -> dict[str, str]:
    return {pair: name for name, listed in marks.items() for pair in listed.split()}


def list_words() -> dict[bytes, str]:
    words: dict[bytes, str] = {}
    for name, listed in WORDS.items():
        for word in listed.split():
            words.setdefault(word.encode(), name)
    for name, listed in WORDS_OF_ANY_CASE.items():
        for word in listed.split():
            for written in (word, word.capitalize(), word.upper()):
                words.setdefault(written.encode(), name)
    return words


WORD_MARKS, PAIR_MARKS = list_words(), list_pairs(PAIRS)
BEGINNING_MARKS, END_MARKS = list_pairs(LINE_BEGINNINGS), list_pairs(LINE_ENDS)
OPENERS = {word.encode() for word in BEGINNING_WORDS.split()}


def fold(byte: int) -> str:
    character = chr(byte)
    if byte in (10, 13):
        return "⏎"
    if byte <= 32:
        return "␣"
    if byte >= 127:
        return "é"
    return (
        "a"
        if character.islower()
        else "A"
        if character.isupper()
        else "0"
        if character.isdigit()
        else character
    )


class Reader:
    """One document, read line by line, and what has been found in it."""

    def __init__(self, document: bytes) -> None:
        self.text = document[:PREFIX]
        self.found: Counter[str] = Counter()
        self.opened: int | None = None  # where a formula began
        self.below: str = ""  # what the line before was, as far as comments go on

    def read(self) -> dict[str, int]:
        fence, blank, start = b"", True, 0
        for raw in self.text.split(b"\n"):
            line = raw.strip(bytes(range(33)))
            indent = len(raw) - len(raw.lstrip(bytes(range(33))))
            mark = line[:1]
            opens = mark in (b"`", b"~") and line[:3] == mark * 3 and indent <= 3
            if start >= len(self.text):
                break
            if not line:
                self.found["blank line"] += not fence
                blank, self.opened = True, None
            elif opens and (mark == fence or (not fence and (mark == b"`" or blank))):
                self.found["fence"] += 1
                fence = b"" if fence else mark
            elif fence:
                self.found["fenced byte"] += len(raw) + 1
            else:
                blank = False
                self.read_line(raw, line, start + indent)
            start += len(raw) + 1
        return self.finish()

    def read_line(self, raw: bytes, line: bytes, first: int) -> None:
        self.found["line"] += 1
        self.found["indented line"] += first_is_indented(raw)
        self.found["tabbed line"] += raw[:1] == b"\t"
        self.found["long line"] += len(raw) >= LONG_LINE
        if self.found["line"] == 1:
            self.found["opens with a tag"] += bool(re.match(rb"<[A-Za-z!?]", line))
            self.found["opens with a bracket"] += bool(re.match(rb'[{\[](?:[\x00-\x20"{\[]|\Z)', line))
            self.found["opens with a shebang"] += line.startswith(b"#!")
        second = fold(line[1]) if len(line) > 1 else "⏎"
        self.found[BEGINNING_MARKS.get(fold(line[0]) + second, "")] += 1
        self.found["rule line"] += bool(re.match(rb"([=~*_^-])\1\1", line)) and line[-1] == line[0]
        if self.is_comment(line):
            self.found["comment line"] += 1
        else:
            self.found["byte"] += len(raw) + 1
            self.found["key line"] += is_key(line)
            self.found[END_MARKS.get(fold(line[-1]), "")] += 1
            self.read_tokens(line, first)

    def is_comment(self, line: bytes) -> bool:
        before, self.below = self.below, ""
        opens = line.startswith(b"/*")
        if before == "block" or opens:
            _, closed, behind = line[2 * opens :].partition(b"*/")
            self.below = "" if closed else "block"
            return (opens or line.startswith(b"*")) and not behind
        if re.match(rb"#(?:[ #]|\Z)", line):
            self.below = "hash"
            return before == "hash"
        return line[:2] in (b"//", b";;", b"%%", b"--") or line[:2] in (b"% ", b"%")

    def read_tokens(self, line: bytes, first: int) -> None:
        for token in TOKEN.finditer(line):
            start, end = token.span()
            before = self.text[first + start - 1] if first + start else 32
            if token["times"]:
                self.found["mathematical symbol"] += 1
            elif token["symbol"]:
                self.read_symbol(line, start)
            else:
                if token["word"]:
                    self.read_word(token["word"], before, start == 0)
                elif token["number"]:
                    self.read_number(token["unit"], before, line[token.end("number") :])
                elif token["command"]:
                    self.read_command(token["command"], line[end:])
                elif token["mark"] == b"?":
                    self.found["question mark"] += line[end : end + 1] in (b"", b" ")
                elif token["mark"] == b"$":
                    self.read_dollar(first + start, before, line[end] if end < len(line) else 10)
                place = first + end
                after = self.text[place] if place < len(self.text) else 10
                self.found[PAIR_MARKS.get(fold(line[end - 1]) + fold(after), "")] += 1

    def read_symbol(self, line: bytes, start: int) -> None:
        for name, pattern in SYMBOLS.items():
            self.found[name] += bool(pattern.match(line, start))
        ideograph = 0xE3 <= line[start] <= 0xE9 and not re.match(rb"\xe3\x80", line[start:])
        self.found["ideograph"] += ideograph
        if ideograph and len(line) >= start + 6 and line[start + 3] >= 0xE3:
            self.found[WORD_MARKS.get(line[start : start + 6], "")] += 1

    def read_word(self, word: bytes, before: int, opening: bool) -> None:
        self.found["word"] += 1
        self.found["letter"] += len(word)
        for name, pattern in SHAPES.items():
            self.found[name] += bool(pattern.match(word))
        foreign = bool(SHAPES["foreign word"].match(word))
        indexed = 2 <= len(word) <= 4 and word[1:2] == b"_"
        if b"_" in word:
            self.found["indexed letter"] += indexed
            self.found["snake case"] += len(word) >= 3 and not indexed
        elif re.search(rb"[0-9]", word):
            self.found["letters with digits"] += 1
        elif re.fullmatch(rb"[A-Za-z]+", word) and re.search(rb"[a-z]", word) and re.search(rb"[A-Z]", word):
            self.found["capitalized"] += not SHAPES["camel case"].match(word)
        if len(word) > LONGEST_WORD:
            self.found["long word"] += not foreign
            return
        self.found[WORD_MARKS.get(word, "")] += 1
        self.found["beginning word"] += opening and word in OPENERS
        if before in b"<#@" and len(word) < LONGEST_WORD:
            self.found[WORD_MARKS.get(bytes([before]) + word, "")] += 1

    def read_number(self, unit: bytes | None, before: int, rest: bytes) -> None:
        free = (before <= 32 or before in b"$(" or before >= 128) and bool(
            re.match(rb"[\x00-\x20.,?)%\x80-\xff]|\Z", rest)
        )
        self.found["number" if free else "tight number"] += 1
        self.found["number with letters"] += unit is not None

    def read_command(self, command: bytes, rest: bytes) -> None:
        known = WORD_MARKS.get(command) if len(command) <= LONGEST_WORD else None
        self.found[known or ""] += 1
        self.found["unknown command"] += known is None and len(command) > 2
        self.found["command argument"] += rest.startswith(b"{")

    def read_dollar(self, place: int, before: int, after: int) -> None:
        inside = 0 if self.opened is None else place - self.opened - 1
        closes = self.opened is not None and before > 32 and not is_plain(after)
        self.opened = place if after > 32 and not is_plain(before) else None
        if closes and 1 <= inside < FORMULA:
            self.found["formula"] += 1
            self.found["formula byte"] += inside
            self.opened = None

    def finish(self) -> dict[str, int]:
        numbers = self.found["number"] + self.found["number word"]
        questions = self.found["question mark"] + self.found["question"]
        self.found["asked in numbers"] = min(numbers, 2 * questions)
        self.found["word"] += self.found["ideograph"] // 2
        del self.found[""]
        return {name: self.found[name] for name in NAMES[1:] if self.found[name]}


def first_is_indented(raw: bytes) -> bool:
    return raw[:1] == b"\t" or len(raw) - len(raw.lstrip(bytes(range(33)))) >= 2


def is_key(line: bytes) -> bool:
    match = KEY.match(line)
    return match is not None and len(match["rest"]) < 39


def is_plain(byte: int) -> bool:
    """Whether a byte is a letter or digit of ASCII."""
    return byte < 128 and chr(byte).isalnum()


def count_marks(document: bytes) -> dict[str, int]:
    """How often each mark stands in a document; marks that do not are left out."""
    return Reader(document).read()
