r"""Formulas in a page's HTML → the same page with `$LaTeX$` or `$$LaTeX$$` as text in their place.

A formula on the web is seldom LaTeX. It is MathML, with the LaTeX in an annotation or an attribute if one
is lucky; or a script that MathJax has set, or not; or an image that was made from its `alt`. What the reader
saw stands beside it as hundreds of elements, or as a second copy for screen readers. Each formula is written
once, and the copies go. Formulas that are LaTeX already, between `\(` and `\)` or `$$`, are left alone.

Time is linear in the page whatever it holds: every search for an end either takes what it passed over out of
the page, or remembers what it found, or is not made again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from dspipe.extract.mathematics.mathml import convert_mathml
from dspipe.text.kernel import kernel, load8

LONGEST = 20_000  # bytes of one formula's markup
PATIENCE = 20  # tags without an end and copies without a formula in one page; after that it is left as it is

COPY_MARKS = (b"mwe-math", b"katex-html", b"MathJax")
ELEMENT = rb"""<(?:
      (?P<math>(?:[a-z]{1,8}:)?math)(?=[\s>/])
    | (?P<script>script)\b[^<>]{0,300}?\btype\s*=\s*["']?math/
    | (?P<container>mjx-container)\b
    | (?P<image>img)\s"""
COPY = rb"""
    | (?:span|div)\s[^<>]{0,300}?\bclass\s*=\s*["']?(?:[^"'<>]{0,100}\s)?
      (?P<copy>mwe-math-(?:element|mathml)|katex-html
        | (?:MathJax(?:_(?:Preview|Display|SVG|SVG_Display|CHTML|MathML))?|MJXc-display|mjx-chtml)
          (?=["'\s>]))"""
START = re.compile(ELEMENT + b")", re.VERBOSE)
START_OR_COPY = re.compile(ELEMENT + COPY + b")", re.VERBOSE)  # takes much longer
TAG_END = re.compile(rb"""(?>[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
ATTRIBUTE = re.compile(rb"""([\w:-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""")
MATH = re.compile(rb"<(?:[a-z]{1,8}:)?math(?=[\s>/])")
MATH_END = re.compile(rb"</(?:[a-z]{1,8}:)?math\s*>")
SCRIPT_END = re.compile(rb"</script\s*>", re.IGNORECASE)
CONTAINER_END = re.compile(rb"</mjx-container\s*>")
MATH_SCRIPT = re.compile(rb"""\s*<script\b[^<>]{0,300}?\btype\s*=\s*["']?math/""")
ELEMENTS = {name: re.compile(rb"<(/?)%b(?=[\s>])" % name) for name in (b"span", b"div")}
ANNOTATION = re.compile(
    rb"""<(?:[a-z]{1,8}:)?annotation\b[^<>]*?\bencoding\s*=\s*["']?
    (?:application/|text/)?(?:x-)?(?:la)?tex["'\s>]""",
    re.VERBOSE | re.IGNORECASE,
)
ANNOTATION_END = re.compile(rb"</(?:[a-z]{1,8}:)?annotation\s*>")
DISPLAY = re.compile(rb"""\b(?:display|mode)\s*=\s*["']?(?:block|display|true)\b""")

IMAGE = re.compile(rb"<img\s")
BESIDE = re.compile(rb"(?>\s++|</?span\b[^<>]*+>)*+")
BLOCK_BEGINS = re.compile(rb"<(?:p|div|dd|center)(?:\s[^<>]*)?>\s*$", re.IGNORECASE)
BLOCK_ENDS = re.compile(rb"\s*</(?:p|div|dd|center)\s*>", re.IGNORECASE)
TEX_CLASS = re.compile(r"(?:latex|tex|math|equation|mathimg)$|mwe-math-fallback-image|ql-img-")
TEX_ADDRESS = re.compile(
    r"codecogs\.com/[^?#]{0,100}\?|/math?tex\.cgi\?|/mimetex\.cgi\?|[?&]latex=", re.IGNORECASE
)
ADDRESS_ONLY = re.compile(r"\\(?:inline|large|dpi\{\w*\}|bg(?:_\w+|\{\w*\})|fn_\w+)(?![A-Za-z])\s*")
PICTURE_NAME = re.compile(r"\.(?:png|gif|jpe?g|svg)\s*$", re.IGNORECASE)
TEX_SIGN = re.compile(r"[\\^_{}=]")
WORDS = re.compile(r"[^\W\d_]{4}|[^\W\d_]{2,}\s+[^\W\d_]{2,}")

CDATA = re.compile(r"%?[ \t]*(?:<!\[CDATA\[|\]\]>)")
COMMENT = re.compile(r"(?<!\\)%[^\n]*\n\s*")
STYLE = re.compile(r"\\(?:display|text)style(?![A-Za-z])\s*")
DELIMITERS = (("$$", "$$", True), (r"\[", r"\]", True), ("$", "$", False), (r"\(", r"\)", False))
DOLLAR = re.compile(r"((?<!\\)(?:\\\\)*)\$")
LAST_BACKSLASHES = re.compile(r"(?<!\\)\\(?:\\\\)*$")


def eight(character: str) -> np.uint64:
    return np.uint64(int.from_bytes(character.encode() * 8, "little"))


A, E, H, M, T, X, QUOTE = (eight(character) for character in 'aehmtx"')
ONES, TOPS = eight("\x01"), np.uint64(0x8080808080808080)
CASE = eight(" ")  # the bit that a and A, b and B, … differ in
A_OR_E = eight("\x04")  # the bit that a and e differ in
BLOCK = 8192


@kernel
def may_hold_mathematics(page: NDArray[np.uint8]) -> bool:
    """Whether `math`, `atex`, `etex` or `tex"` is in page (n,) uint8, not counting its last ten bytes.

    Looks at eight positions at a time: a byte of `math` is zero where the four letters stand. A borrow can
    make a byte above such a one look like zero too, which changes nothing.
    """
    last = len(page) - 11
    for begin in range(0, last + 1, BLOCK):
        found = np.uint64(0)
        for i in range(begin, min(begin + BLOCK, last + 1), 8):
            first, second = load8(page, i), load8(page, i + 1)
            third, fourth = load8(page, i + 2), load8(page, i + 3)
            math = (first ^ M) | (second ^ A) | (third ^ T) | (fourth ^ H)
            latex = (
                ((first | A_OR_E) ^ E) | ((second | CASE) ^ T) | ((third | CASE) ^ E) | ((fourth | CASE) ^ X)
            )
            tex = (first ^ T) | (second ^ E) | (third ^ X) | (fourth ^ QUOTE)
            found |= ((math - ONES) & ~math) | ((latex - ONES) & ~latex) | ((tex - ONES) & ~tex)
        if found & TOPS:
            return True
    return False


@dataclass(frozen=True)
class Formula:
    tex: str
    display: bool


@dataclass(frozen=True)
class Rewritten:
    """What stands in the place of page[begin:end], for the `begin` that was asked about."""

    formula: Formula | None
    end: int


class Source:
    """A page, and what was found out about it while it was read from its beginning to its end."""

    def __init__(self, page: bytes) -> None:
        self.page = page
        self.found: dict[re.Pattern[bytes], tuple[int, int, int]] = {}
        self.patience = PATIENCE

    def find(self, pattern: re.Pattern[bytes], begin: int) -> tuple[int, int]:
        """Where the next match begins and ends, or the page's end twice; the page is searched only once."""
        searched, first, last = self.found.get(pattern, (0, -1, -1))
        if not searched <= begin <= first:
            match = pattern.search(self.page, begin)
            first, last = match.span() if match else (len(self.page), len(self.page))
            self.found[pattern] = begin, first, last
        return first, last

    def find_tag_end(self, begin: int) -> int | None:
        """Where the tag ends in which `begin` lies, outside its attributes' values."""
        match = TAG_END.match(self.page, begin, begin + LONGEST) if self.patience > 0 else None
        self.patience -= match is None
        return match.end() if match else None

    def find_element_end(self, begin: int) -> int | None:
        """Where the `<span>` or `<div>` at `begin` ends, those inside it passed over."""
        name = b"span" if self.page.startswith(b"<span", begin) else b"div"
        depth = 0
        for tag in ELEMENTS[name].finditer(self.page, begin) if self.patience > 0 else ():
            depth += -1 if tag[1] else 1
            if depth == 0:
                return self.find_tag_end(tag.end())
        self.patience -= 1
        return None


def rewrite_mathematics(page: bytes) -> bytes:
    """A page in UTF-8 with every formula that is not LaTeX yet as LaTeX, and without their second copies.

    Formulas of more than 20,000 bytes of markup, and those that cannot be told, are left as they are.

    >>> rewrite_mathematics(b"<p>So <math><mi>x</mi><mo>&lt;</mo><mn>2</mn></math>, as was claimed.</p>")
    b'<p>So $x &lt; 2$, as was claimed.</p>'
    """
    if len(page) < 11 or not may_hold_mathematics(np.frombuffer(page, np.uint8)):
        return page
    source = Source(page)
    pieces: list[bytes] = []
    done = 0
    before: Formula | None = None  # the one that ends at `done`, if it was not an image
    pattern = START_OR_COPY if any(mark in page for mark in COPY_MARKS) else START
    for start in pattern.finditer(page):
        if start.start() < done:
            continue
        rewritten = REWRITERS[start.lastgroup or ""](source, start)
        if rewritten is None:
            continue
        gap = page[done : start.start()]
        formula = rewritten.formula
        if start["image"] and before and formula and before.tex == formula.tex and BESIDE.fullmatch(gap):
            formula = None
        pieces += [gap, write_formula(formula) if formula else b""]
        done = rewritten.end
        before = None if start["image"] else formula or before
    return b"".join([*pieces, page[done:]])


# Where formulas are


def rewrite_math(source: Source, start: re.Match[bytes]) -> Rewritten | None:
    first, last = source.find(MATH_END, start.end())
    if first == last or last - start.start() > LONGEST or MATH.search(source.page, start.end(), first):
        return None
    formula = read_math(source.page[start.start() : last])
    if formula is None:
        return None
    opening = source.page[max(0, start.start() - 150) : start.start()]
    is_display = formula.display or b"katex-display" in opening.rpartition(b"</")[2]
    return Rewritten(Formula(formula.tex, is_display), last)


def rewrite_script(source: Source, start: re.Match[bytes]) -> Rewritten | None:
    begin = source.find_tag_end(start.start() + len("<script"))
    first, last = source.find(SCRIPT_END, start.end())
    if begin is None or begin > first or first == last or last - start.start() > LONGEST:
        return None
    kind = source.page[start.end() : begin]
    content = source.page[begin:first]
    if kind.startswith(b"mml"):
        formula = read_math(content)
    elif kind.startswith(b"tex"):
        tex = content.decode("utf-8", "replace")
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            tex = tex.replace(entity, character)
        formula = clean(tex, display=b"display" in kind)
    else:
        return None
    return Rewritten(formula, last) if formula else None


def rewrite_container(source: Source, start: re.Match[bytes]) -> Rewritten | None:
    first, last = source.find(CONTAINER_END, start.end())
    inside = find_math(source, start.end(), first)
    tag_end = source.find_tag_end(start.end())
    if inside is None or tag_end is None:
        source.patience -= 1
        return None
    is_display = inside.display or DISPLAY.search(source.page, start.end(), tag_end) is not None
    return Rewritten(Formula(inside.tex, is_display), last)


def rewrite_copy(source: Source, start: re.Match[bytes]) -> Rewritten | None:
    """An element of MathJax 2, KaTeX or Wikipedia that holds a formula, a picture of one, or both."""
    end = source.find_element_end(start.start())
    if end is None:
        return None
    if start["copy"] in (b"katex-html", b"MathJax_Preview"):
        return Rewritten(None, end)
    has_script = not start["copy"].startswith(b"mwe") and MATH_SCRIPT.match(source.page, end)
    if has_script and b"<p" not in source.page[start.start() : end]:  # not a paragraph of that class
        return Rewritten(None, end)
    formula = find_math(source, start.end(), end)
    if formula is None and start["copy"].startswith(b"mwe"):
        image = IMAGE.search(source.page, start.end(), end)
        found = rewrite_image(source, image) if image else None
        formula = found.formula if found else None
    if formula is None:
        source.patience -= 1
        return None
    is_display = formula.display or b"isplay" in start["copy"]
    return Rewritten(Formula(formula.tex, is_display), end)


def rewrite_image(source: Source, start: re.Match[bytes]) -> Rewritten | None:
    end = source.find_tag_end(start.end()) if source.patience > 0 else None
    if end is None:
        return None
    if source.page.find(b"<img", start.end(), end) >= 0:  # never closed: each would be read to the end
        source.patience -= 1
        return None
    attributes = read_attributes(source.page[start.end() : end])
    classes = attributes.get("class", "").split()
    address = attributes.get("src", "")
    in_address = TEX_ADDRESS.search(address)
    if not in_address and not any(TEX_CLASS.match(name) for name in classes):
        return None
    tex = attributes.get("alt", "")
    if not looks_like_tex(tex):
        if not in_address:
            return None
        tex = address[in_address.end() :].replace("&space;", " ").partition("&")[0]
        tex = unquote(tex.replace("+", " ") if in_address[0].endswith("latex=") else tex)
    before = source.page[max(0, start.start() - 200) : start.start()]
    stands_alone = BLOCK_BEGINS.search(before) and BLOCK_ENDS.match(source.page, end)
    is_display = bool(stands_alone) or any("display" in name for name in classes)
    return Rewritten(clean(ADDRESS_ONLY.sub("", tex), is_display), end)


def find_math(source: Source, begin: int, end: int) -> Formula | None:
    """The formula of the first `<math>` between two places, the one for screen readers if there is one."""
    page = source.page
    if source.patience <= 0:
        return None
    for mark in (b"mjx-assistive-mml", b"MJX_Assistive_MathML"):
        begin = max(begin, page.find(mark, begin, end))
    start = MATH.search(page, begin, end)
    last = source.find(MATH_END, start.end())[1] if start else end
    if start is None or last > end or last - start.start() > LONGEST:
        return None
    markup = page[start.start() : last]
    if page.endswith(b'data-mathml="', begin, start.start()):
        markup = html.unescape(markup.decode("utf-8", "replace")).encode("utf-8", "replace")
    return read_math(markup)


# What formulas are


def read_math(markup: bytes) -> Formula | None:
    """A `<math>` element: its annotation if that is TeX, else its alternative text, else its MathML."""
    tag = TAG_END.match(markup)
    opening = markup[: tag.end()] if tag else b""
    is_display = DISPLAY.search(opening) is not None
    annotation = ANNOTATION.search(markup)
    begin = markup.find(b">", annotation.end() - 1) + 1 if annotation else 0
    end = ANNOTATION_END.search(markup, begin) if begin else None
    if end:
        tex = markup[begin : end.start()].decode("utf-8", "replace")
        formula = clean(html.unescape(tex), is_display)
        if formula.tex:
            return formula
    attributes = read_attributes(opening)
    for tex in (attributes.get("data-latex", ""), attributes.get("alttext", "")):
        if looks_like_tex(tex):
            return clean(tex, is_display)
    converted = convert_mathml(markup)
    return None if converted is None else clean(converted, is_display)


def read_attributes(tag: bytes) -> dict[str, str]:
    found = ATTRIBUTE.findall(tag)
    return {
        name.decode("ascii", "replace").lower(): html.unescape((a or b or c).decode("utf-8", "replace"))
        for name, a, b, c in found
    }


def looks_like_tex(text: str) -> bool:
    """Whether a description is TeX rather than words or a file's name."""
    if not text.strip() or PICTURE_NAME.search(text):
        return False
    return TEX_SIGN.search(text) is not None or WORDS.search(text) is None


def clean(tex: str, display: bool) -> Formula:
    """TeX on one line, without delimiters, comments and anything that would end `$…$` too early."""
    tex = " ".join(COMMENT.sub("", CDATA.sub("", tex)).split())
    for _ in range(4):  # {\displaystyle \(…\)}
        tex = STYLE.sub("", tex, count=1).strip() if STYLE.match(tex) else tex
        if tex.startswith(("{\\displaystyle", "{\\textstyle")) and closes_at_end(tex):
            tex = tex[1:-1].strip()
        for opening, closing, is_display in DELIMITERS:
            inner = tex[len(opening) : -len(closing)]
            whole = tex.startswith(opening) and tex.endswith(closing) and len(tex) >= 2 * len(opening)
            if whole and not DOLLAR.search(inner) and opening not in inner:
                tex, display = inner.strip(), display or is_display
    if LAST_BACKSLASHES.search(tex):
        tex = tex[:-1].rstrip()
    pairs = len(DOLLAR.findall(tex))
    delimiters = [r"\(", r"\)"] * (pairs // 2) if pairs % 2 == 0 else [r"\$"] * pairs
    following = iter(delimiters)
    return Formula(DOLLAR.sub(lambda match: match[1] + next(following), tex), display)


def closes_at_end(tex: str) -> bool:
    """Whether the brace that begins the text is closed by the one that ends it."""
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", tex):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.end() == len(tex)
    return False


def write_formula(formula: Formula) -> bytes:
    delimiter = "$$" if formula.display else "$"
    escaped = formula.tex.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{delimiter}{escaped}{delimiter}".encode("utf-8", "replace") if escaped else b""


REWRITERS: dict[str, Callable[[Source, re.Match[bytes]], Rewritten | None]] = {
    "math": rewrite_math,
    "script": rewrite_script,
    "container": rewrite_container,
    "copy": rewrite_copy,
    "image": rewrite_image,
}
