"""The bytes of a web page → its title and its text, by the profile that the recipe asks for.

`main` is the content without menus, notices and links to elsewhere; `full` is all that a browser shows;
`careful` is what trafilatura finds. The first two are kernels of ours: a native parser can neither be
interrupted nor bounded, and took four times as long.
"""

from __future__ import annotations

import html
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dspipe.extract.markup import blocks, layout
from dspipe.extract.markup.tags import BYLINE, COMMENTS, FORM, NAVIGATION, NOTICE, SHARING, load_names
from dspipe.extract.mathematics.formulas import rewrite_mathematics
from dspipe.extract.pages import content, rendering
from dspipe.extract.pages.charset import recode_page
from dspipe.extract.pages.weights import load_weights
from dspipe.extract.reasons import Unusable
from dspipe.recipe import Extract
from dspipe.text.kernel import compiling_once

MOST_TAGS = 400_000  # of an honest page; each may take 200 bytes of memory
LONGEST_TITLE = 1000  # bytes
UNWRITTEN = BYLINE | FORM | NAVIGATION | NOTICE | SHARING  # among comments, but by nobody


@dataclass(frozen=True)
class Page:
    title: str | None
    text: str


def extract_page(page: bytes, charset: str | None, settings: Extract) -> Page:
    """The title and text of an HTML page in the charset that HTTP says it is in, or None.

    Raises:
        Unusable: too-large, too-deep.
        RecipeError: the profile needs a package that is not installed.
    """
    if len(page) > settings.max_page_bytes:
        raise Unusable("too-large")
    page = recode_page(page, charset)
    if page.count(b"<") > MOST_TAGS:
        raise Unusable("too-deep")
    page = rewrite_mathematics(page)
    if settings.profile == "careful":
        from dspipe.extract.pages.careful import extract_carefully

        return Page(*extract_carefully(page, settings))
    tags = page.count(b"<")  # not more than before but for a formula's own
    if tags > 2 * MOST_TAGS:
        raise Unusable("too-deep")
    return get_desk(len(page), tags).read(page, settings)


class Desk:
    """Room for the kernels to work in, for pages of up to so many bytes and tags, and what they find."""

    def __init__(self, size: int, tags: int) -> None:
        self.size, self.tags = size, tags
        self.names, self.weights = load_names(), load_weights()
        self.text = np.empty(2 * size + 64, np.uint8)
        self.written = np.empty(2 * size + 64 + rendering.ROOM * (tags + 2), np.uint8)
        self.blocks = np.empty((tags + 2, blocks.BLOCK_COLUMNS), np.int64)
        self.elements = np.zeros(tags + 3, np.int64)
        self.stack = np.zeros((blocks.DEEPEST + 1, blocks.STACK_COLUMNS), np.int64)
        self.opened = np.zeros(len(self.names.tags), np.int64)
        self.state = np.zeros(blocks.STATES, np.int64)
        self.facts = np.empty((tags + 2, content.BLOCK_FACTS))
        self.sums = np.empty((tags + 3, content.ELEMENT_COLUMNS))
        self.page = np.empty(content.PAGE_FACTS)
        self.row = np.empty(len(content.MEASURES))
        self.kept = np.empty(tags + 2, np.bool_)

    def read(self, page: bytes, settings: Extract) -> Page:
        """The title and text of a page that fits."""
        self.lay_out(page, settings)
        self.choose(settings)
        return Page(self.title(page), self.render())

    def lay_out(self, page: bytes, settings: Extract) -> None:
        """Divide the page into blocks."""
        self.stack[0] = 0
        self.opened[:] = 0
        self.state[:] = 0
        self.state[blocks.WITH_LINKS] = settings.links
        self.state[blocks.WITH_ALT] = settings.alt_text
        array = np.frombuffer(page, np.uint8)
        if layout.lay_out(
            array, len(page), self.text, self.blocks, self.stack, self.opened, self.elements, self.state,
            self.names,
        ):  # fmt: skip
            raise Unusable("too-deep")

    @property
    def count(self) -> int:
        """How many blocks the page has."""
        return int(self.state[blocks.COUNT])

    def choose(self, settings: Extract) -> None:
        """Find the blocks that the profile keeps."""
        if settings.profile == "full":
            self.kept[: self.count] = True
            return
        content.choose_blocks(
            self.text, self.blocks, self.count, self.elements, self.state[blocks.ELEMENTS], self.facts,
            self.sums, self.page, self.row, self.weights, self.kept,
        )  # fmt: skip
        if settings.comments:
            self.keep_comments()

    def keep_comments(self) -> None:
        """Keep what readers wrote: all blocks among comments that are no links, forms, menus or names."""
        table = self.blocks[: self.count]
        written = (table[:, blocks.FLAGS] & (COMMENTS | UNWRITTEN)) == COMMENTS
        links = 2 * table[:, blocks.LINKED] >= table[:, blocks.END] - table[:, blocks.BEGIN]
        self.kept[: self.count] |= written & ~links

    def measure(self) -> NDArray[np.float64]:
        """The measures of all blocks, (blocks, MEASURES): what the weights are learned from."""
        measures = np.empty((self.count, len(content.MEASURES)))
        content.measure_blocks(
            self.text, self.blocks, self.count, self.elements, self.state[blocks.ELEMENTS], self.facts,
            self.sums, self.page, measures,
        )  # fmt: skip
        return measures

    def render(self) -> str:
        """The text of the blocks that are kept."""
        size = rendering.render_blocks(self.text, self.blocks, self.count, self.kept, self.written)
        return self.written[:size].tobytes().decode("utf-8", "replace")

    def title(self, page: bytes) -> str | None:
        """What stands between the tags of the page's title."""
        begin = int(self.state[blocks.TITLE_BEGIN])
        end = min(int(self.state[blocks.TITLE_END]), begin + LONGEST_TITLE)
        words = html.unescape(page[begin:end].decode("utf-8", "ignore")).split()
        return " ".join(words) or None


DESKS = threading.local()  # the kernels let other threads run


def get_desk(size: int, tags: int) -> Desk:
    """The desk of this thread, or a larger one."""
    desk: Desk | None = getattr(DESKS, "desk", None)
    if desk is None:
        with compiling_once():
            Desk(8, 2).read(b"<p>", Extract())
    if desk is None or desk.size < size or desk.tags < tags:
        least = (0, 0) if desk is None else (desk.size, desk.tags)
        desk = DESKS.desk = Desk(max(size, least[0]), max(tags, least[1]))
    return desk
