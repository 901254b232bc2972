"""The blocks of a page and their text by strings and objects: the slow twin of `layout` and `rendering`.

Pages are strings of one character a byte (Latin-1), so that bytes that are no UTF-8 stay what they are and
places are the kernel's places. The names of tags and the words of classes are taken from `tags.py`.
"""

from __future__ import annotations

import html
import html.entities
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dspipe.extract.markup import tags

TRAITS, KINDS, HANDED_DOWN = (
    tags.collect(table) for table in (tags.PROPERTIES, tags.KINDS, tags.HANDED_DOWN)
)
WORDS, TOKENS = tags.collect(tags.WORDS), tags.collect(tags.TOKENS)
NAMES = {*TRAITS, *KINDS, *HANDED_DOWN}
MOST_OPEN, HOPELESS = 511, 100_000

# Markup, after the tokenizer of the HTML standard.
SPACE = r"[ \t\n\f\r]"
MARKUP = re.compile(r"<(?:[A-Za-z!?]|/(?=.))", re.DOTALL)
TAG = re.compile(r"<(/?)([A-Za-z][^ \t\n\f\r/>]*)")
COMMENT = re.compile(r"<!--(?:-?>|.*?--!?>)", re.DOTALL)
SPACES, BETWEEN = re.compile(SPACE + "*"), re.compile(r"[ \t\n\f\r/]*")
NAME = re.compile(r"[^ \t\n\f\r/>][^ \t\n\f\r/>=]*")
VALUE = re.compile(r""" "([^"]*)"? | '([^']*)'? | ([^ \t\n\f\r>]*) """, re.VERBOSE)

# Attributes.
WORD = re.compile(r"[A-Za-z](?:[a-z]|(?<![a-z])[A-Z])*")  # navBar is two, HTMLbar is one
HIDING = re.compile(r"(?:^|[:;!])(?:display:none|visibility:hidden)(?:[;!]|\Z)")

# Text.
NUMBER = re.compile(r"&#(?:[xX]([0-9A-Fa-f]+)|([0-9]+));?")
REFERENCE = re.compile(r"&([0-9A-Za-z]*)(;?)")
PIECE = re.compile("\xc2\xa0|\xc2\xad|\xe2\x80\x8b|\xef\xbb\xbf|\r\n|.", re.DOTALL)
BYTE = re.compile(".", re.DOTALL)
NO_BREAK, UNSEEN = "\xc2\xa0", ("\xc2\xad", "\xe2\x80\x8b", "\xef\xbb\xbf")


@dataclass(frozen=True)
class Tag:
    name: str
    closing: bool
    attributes: list[tuple[str, str]]
    empty: bool  # ends in />

    @property
    def traits(self) -> int:
        return TRAITS.get(self.name, 0)


@dataclass(frozen=True)
class RawText:
    name: str
    begin: int
    end: int


@dataclass
class Element:
    name: str = ""
    flags: int = 0
    kind: int = tags.OTHER
    holder: int = 0
    row: int = 0
    cell: int = 0
    indent: int = 0
    items: int = 0

    @property
    def traits(self) -> int:
        return TRAITS.get(self.name, 0)


@dataclass
class Block:
    kind: int
    flags: int
    gap: int
    element: int
    marker: int
    indent: int
    row: int
    cell: int
    linked: int = 0
    text: str = ""


@dataclass
class Layout:
    blocks: list[Block] = field(default_factory=list)
    elements: list[int] = field(default_factory=lambda: [0])
    title: tuple[int, int] = (0, 0)


class TooDeep(Exception):
    """So many elements are open at once that no person wrote the page."""


def lower(text: str) -> str:
    """ASCII only."""
    return re.sub("[A-Z]+", lambda found: found[0].lower(), text)


# ---- tokens


def tokenize(page: str) -> Iterator[str | Tag | RawText]:
    at = 0
    while markup := MARKUP.search(page, at):
        yield page[at : markup.start()]
        found = TAG.match(page, markup.start())
        if not found:
            at = skip_declaration(page, markup.start())
            continue
        attributes, end = read_attributes(page, found.end())
        if end is None:
            return
        name = lower(found[2]) if lower(found[2]) in NAMES else ""
        tag = Tag(name, found[1] == "/", attributes, page[end - 2] == "/")
        if tag.closing or not tag.traits & (tags.RAW | tags.TITLE):
            yield tag
            at = end
        else:
            closing = re.compile(rf"</{re.escape(found[2])}(?:[ \t\n\f\r/>]|\Z)", re.IGNORECASE | re.ASCII)
            stop = closing.search(page, end)
            at = stop.start() if stop else len(page)
            yield RawText(name, end, at)
    yield page[at:]


def skip_declaration(page: str, at: int) -> int:
    if page.startswith("<!--", at):
        found = COMMENT.match(page, at)
        return found.end() if found else len(page)
    end = page.find(">", at)
    return len(page) if end < 0 else end + 1


def read_attributes(page: str, at: int) -> tuple[list[tuple[str, str]], int | None]:
    """Names and values, and where the text goes on; None if the tag has no end."""
    attributes: list[tuple[str, str]] = []
    while True:
        at = skip(BETWEEN, page, at)
        if page[at : at + 1] in ("", ">"):
            return attributes, at + 1 if at < len(page) else None
        after = skip(NAME, page, at)
        name, value = lower(page[at:after]), ""
        at = skip(SPACES, page, after)
        if page[at : at + 1] == "=":
            found = VALUE.match(page, skip(SPACES, page, at + 1))
            assert found
            value, at = found[found.lastindex or 0], found.end()
        attributes.append((name, value))


def skip(pattern: re.Pattern[str], page: str, at: int) -> int:
    found = pattern.match(page, at)
    assert found
    return found.end()


def judge_attributes(attributes: list[tuple[str, str]]) -> int:
    """What an element's attributes say of it, as bits."""
    flags = 0
    for name, value in attributes:
        if name in ("class", "id", "role", "itemprop"):
            for token in re.split(SPACE, value):
                flags |= TOKENS.get(token, 0)
            for word in WORD.findall(value):
                flags |= WORDS.get(word.lower(), 0)
        elif (
            name == "hidden"
            or (name == "aria-hidden" and len(value) == 4 and value[0] in "tT")
            or (name == "style" and HIDING.search(re.sub(SPACE, "", lower(value))))
        ):
            flags |= tags.HIDDEN
    return flags


# ---- text


def split_characters(text: str, address: bool = False) -> Iterator[str]:
    """Characters as UTF-8, references resolved; line ends are line feeds; what is not seen is left out."""
    at = 0
    while at < len(text):
        found = (BYTE if address else PIECE).match(text, at)
        assert found
        pieces, at = ["\n" if found[0][0] == "\r" else found[0]], found.end()
        if found[0] == "&":
            pieces, at = resolve(text, found.start(), address)
        for piece in pieces:
            if piece not in UNSEEN:
                yield " " if piece == NO_BREAK else piece


def resolve(text: str, at: int, address: bool) -> tuple[list[str], int]:
    """What the reference at `at` means, or `&`, and where the text goes on."""
    if number := NUMBER.match(text, at):
        digits = (number[1] or number[2]).lstrip("0")[:9] or "0"
        code = int(digits, 16 if number[1] else 10)
        return [as_bytes(html.unescape(f"&#{code};") or chr(code))], number.end()
    found = REFERENCE.match(text, at)
    assert found
    name, semicolon = found.groups()
    if semicolon and name + ";" in html.entities.html5:
        return [as_bytes(character) for character in html.entities.html5[name + ";"]], found.end()
    for size in range(len(name), 0, -1):
        if name[:size] in html.entities.html5:
            after = at + 1 + size
            if address and re.match("[=0-9A-Za-z]", text[after : after + 1]):
                break
            return [as_bytes(html.entities.html5[name[:size]])], after
    return ["&"], at + 1


def as_bytes(character: str) -> str:
    return character.encode().decode("latin-1")


# ---- blocks


class Builder:
    """Takes tokens one after the other."""

    def __init__(self, page: str, links: bool, alt: bool) -> None:
        self.page, self.with_links, self.with_alt = page, links, alt
        self.layout = Layout()
        self.block: Block | None = None
        self.space = ""  # before the next character: nothing, a space or a line feed
        self.gap = 0
        self.marker = 0
        self.open = [Element()]
        self.beyond: Counter[str] = Counter()
        self.link: Element | None = None
        self.address = ""
        self.link_text = 0
        self.rows = self.cells = 0

    @property
    def top(self) -> Element:
        return self.open[-1]

    @property
    def written(self) -> int:
        return sum(len(block.text) for block in self.layout.blocks) + len(
            self.block.text if self.block else ""
        )

    def take(self, token: str | Tag | RawText) -> None:
        if isinstance(token, str):
            self.put_text(token)
        elif isinstance(token, RawText):
            if token.name == "title" and not self.layout.title[1] and not self.top.flags & tags.HIDDEN:
                self.layout.title = token.begin, token.end
        elif token.closing:
            self.end(token)
        else:
            self.start(token)
        if self.beyond.total() > HOPELESS:
            raise TooDeep

    # -- writing

    def begin_block(self) -> Block:
        top = self.top
        self.block = Block(
            top.kind, top.flags, self.gap, top.holder, self.marker, top.indent, top.row, top.cell
        )
        self.space, self.gap, self.marker = "", 0, 0
        return self.block

    def end_block(self, gap: int) -> None:
        if self.block:
            self.layout.blocks.append(self.block)
            self.block, self.marker = None, 0
        self.space = ""
        self.gap = max(self.gap, gap)

    def want_space(self) -> None:
        self.space = self.space or " "

    def put_text(self, text: str) -> None:
        if self.top.flags & tags.HIDDEN or not text:
            return
        if self.top.flags & tags.PRE:
            self.put_verbatim(text)
            return
        for character in split_characters(text):
            if character <= " ":  # controls too
                self.want_space()
            else:
                self.put(character)

    def put(self, character: str) -> None:
        block = self.block
        if block is None:
            block = self.begin_block()
        else:
            block.text += self.space
            self.space = ""
        block.text += character
        block.linked += len(character) if self.link else 0

    def put_verbatim(self, text: str) -> None:
        if self.block and self.space == " " and text[0] > " ":
            self.block.text += " "
        if self.block and self.space == "\n" and text[0] not in "\n\r":
            self.begin_line()
        if self.block:
            self.space = ""
        for character in split_characters(text):
            if character != "\r" and (self.block or character != "\n"):
                block = self.block or self.begin_block()
                block.text += character

    def begin_line(self) -> None:
        """In preformatted text."""
        if self.block and not self.block.text.endswith("\n"):
            self.block.text += "\n"
        self.space = ""

    def end_line(self, traits: int) -> None:
        if not traits & tags.BLOCK or self.top.flags & tags.HIDDEN:
            return
        if self.top.flags & tags.PRE:
            self.begin_line()
        else:
            self.end_block(2 if traits & tags.WIDE else 1)

    def break_line(self) -> None:
        if self.top.flags & tags.HIDDEN:
            return
        if self.top.flags & tags.PRE:
            if self.block:
                self.block.text += "\n"
                self.space = ""
        elif self.space == "\n":
            self.end_block(2)
        elif self.block:
            self.space = "\n"

    # -- tags

    def find(self, wanted: int, barrier: int) -> int:
        """How many elements are around the nearest one of a kind; 0 if there is none within the barrier."""
        for depth in range(len(self.open) - 1, 0, -1):
            if self.open[depth].traits & wanted:
                return depth
            if self.open[depth].traits & barrier:
                return 0
        return 0

    def pop_to(self, depth: int) -> None:
        self.beyond.clear()
        while len(self.open) > depth:
            element = self.open.pop()
            if element is self.link:
                self.link = None
            shared = element.flags & self.top.flags
            if element.traits & tags.BLOCK and not shared & tags.HIDDEN:
                if shared & tags.PRE:
                    self.space = "\n"
                else:
                    self.end_block(2 if element.traits & tags.WIDE else 1)
            if element.traits & tags.IS_ITEM:
                self.marker = 0

    def start(self, tag: Tag) -> None:
        if tag.traits & tags.IGNORED:
            return
        self.imply_end_tags(tag.traits)
        flags = judge_attributes(tag.attributes)
        if tag.traits & tags.IS_BREAK:
            self.break_line()
            return
        if tag.traits & tags.IS_IMAGE and self.with_alt and not (self.top.flags | flags) & tags.HIDDEN:
            self.want_space()
            self.put_text(first_value(tag, "alt"))
            self.want_space()
        self.end_line(tag.traits)
        if tag.traits & tags.VOID or (tag.traits & tags.HIDES and tag.empty):
            return
        if tag.traits & tags.PREFORMATTED and self.block:
            self.end_block(2)
        self.push(tag, flags)
        if tag.traits & tags.IS_LINK:
            self.link, self.address, self.link_text = self.top, first_value(tag, "href"), self.written

    def imply_end_tags(self, traits: int) -> None:
        depths = []
        if traits & tags.CLOSES_P:
            depths.append(self.find(tags.IS_P, tags.SCOPE | tags.HIDES))
        for kind, barrier in (
            (tags.IS_ITEM, tags.IS_LIST | tags.SCOPE | tags.HIDES),
            (tags.IS_TERM, tags.IS_TERMS | tags.IS_LIST | tags.SCOPE | tags.HIDES),
            (tags.IS_CELL, tags.IS_ROW | tags.IS_TABLE),
            (tags.IS_ROW, tags.IS_TABLE),
            (tags.IS_ROWS, tags.IS_TABLE),
            (tags.IS_HEADING, ~0),
        ):
            if traits & kind:
                depths.append(self.find(kind, barrier))
        if any(depths):
            self.pop_to(min(filter(None, depths)))

    def push(self, tag: Tag, flags: int) -> None:
        if len(self.open) > MOST_OPEN:
            self.beyond[tag.name] += 1
            return
        parent, traits = self.top, tag.traits
        element = Element(**{**vars(parent), "name": tag.name, "items": 0})
        element.flags |= flags | HANDED_DOWN.get(tag.name, 0) | (tags.HIDDEN if traits & tags.HIDES else 0)
        if parent.kind != tags.HEADING:
            element.kind = KINDS.get(tag.name, parent.kind)
        if element.flags & tags.PRE:
            element.kind = tags.CODE
        self.open.append(element)
        if traits & tags.HOLDER:
            element.holder = len(self.layout.elements)
            self.layout.elements.append(parent.holder)
        if traits & tags.IS_LIST:
            element.indent += 1
        elif traits & tags.IS_ITEM and not element.flags & (tags.PRE | tags.HIDDEN):
            self.count_item()
        elif traits & tags.IS_TABLE:
            element.row = element.cell = 0
        elif traits & tags.IS_ROW:
            self.rows += 1
            element.row = self.rows
        elif traits & tags.IS_CELL:
            self.cells += 1
            element.cell = self.cells

    def count_item(self) -> None:
        around = self.open[:-1]
        depth = next(
            (n for n in range(len(around) - 1, 0, -1) if around[n].traits & (tags.IS_LIST | tags.SCOPE)), 0
        )
        self.marker = -1
        if around[depth].traits & tags.IS_LIST:
            around[depth].items += 1
            if around[depth].traits & tags.ORDERED:
                self.marker = around[depth].items

    def end(self, tag: Tag) -> None:
        if tag.traits & tags.IS_LINK:
            self.put_address()
            self.link = None
        if self.beyond[tag.name]:
            self.beyond[tag.name] -= 1
            self.end_line(tag.traits)
            return
        if tag.traits & tags.IS_BREAK:
            self.break_line()
        if tag.traits & tags.IS_P and not any(element.name == "p" for element in self.open):
            self.end_block(2)
        barrier = tags.SCOPE
        if tag.traits & (tags.IS_CELL | tags.IS_ROW | tags.IS_ROWS):
            barrier = tags.IS_TABLE
        elif tag.traits & tags.SCOPE:
            barrier = 0
        elif not tag.traits & (tags.BLOCK | tags.HIDES):
            barrier = tags.BLOCK
        for depth in range(len(self.open) - 1, 0, -1):
            element = self.open[depth]
            if element.name == tag.name or (element.traits & tag.traits & tags.IS_HEADING):
                self.pop_to(depth)
                return
            if element.traits & barrier:
                return

    def put_address(self) -> None:
        shown = self.link and self.block and not self.top.flags & (tags.HIDDEN | tags.PRE)
        if self.with_links and shown and self.address and self.written > self.link_text:
            self.space = " "
            self.put("(")
            for character in split_characters(self.address, address=True):
                if character > " ":
                    self.put(character)
            self.put(")")


def first_value(tag: Tag, wanted: str) -> str:
    return next((value for name, value in tag.attributes if name == wanted), "")


def lay_out(page: bytes, links: bool = False, alt: bool = False) -> Layout:
    """Divide a page into blocks.

    Raises:
        TooDeep: too many elements are open at once.
    """
    builder = Builder(page.decode("latin-1"), links, alt)
    for token in tokenize(builder.page):
        builder.take(token)
    builder.end_block(2)
    return builder.layout


# ---- text


def render_blocks(blocks: list[Block], kept: list[bool]) -> bytes:
    """The text of the blocks that are kept."""
    text, gap, previous = "", 0, -1
    for i, block in enumerate(blocks):
        gap = max(gap, block.gap)
        words = block.text.rstrip("".join(map(chr, range(33))))
        if not kept[i] or not words:
            continue
        if (
            i
            and previous == i - 1
            and blocks[i - 1].row == block.row
            and all(is_short_cell(blocks, n) for n in (i - 1, i))
        ):
            text += " | "
        elif previous >= 0:
            text += "\n" * min(max(gap, 1), 2)
        if block.marker:
            text += "  " * min(block.indent - 1, 8) + ("- " if block.marker < 0 else f"{block.marker}. ")
        text += words
        gap, previous = 0, i
    return text.encode("latin-1")


def is_short_cell(blocks: list[Block], i: int) -> bool:
    """Whether a block is all that its cell holds, and at most 200 bytes of it."""
    block = blocks[i]
    around = blocks[max(i - 1, 0) : i] + blocks[i + 1 : i + 2]
    alone = all(other.cell != block.cell for other in around)
    return bool(block.row) and block.kind != tags.CODE and len(block.text) <= 200 and alone
