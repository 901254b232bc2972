r"""Presentation MathML → LaTeX.

The markup comes from anybody, so nothing here recurses: elements are kept on a stack, and each becomes a
piece of LaTeX when it ends. A piece knows its role, because how LaTeX is written depends on the neighbours:
`-` is spaced between two operands only, `(` before a table makes it a `pmatrix`, `∑` takes its limits as
scripts.
"""

from __future__ import annotations

import html
import re
from typing import NamedTuple

from dspipe.extract.mathematics.builders import BUILDERS, TOKENS, build_row, build_text
from dspipe.extract.mathematics.symbols import INVISIBLE, Piece

DEEPEST = 200
TAG = re.compile(r"""<(/?)([A-Za-z][\w:.-]*+)((?>[^"'<>]++|"[^"]*+"|'[^']*+')*+)>""")
ATTRIBUTE = re.compile(r"""([\w:-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""")

CONTENT = frozenset(
    ("apply", "bind", "ci", "cn", "csymbol", "lambda", "reln", "matrix", "vector", "piecewise")
)


class Element(NamedTuple):
    """An element that has begun, and the pieces in it so far."""

    name: str
    attributes: dict[str, str]
    children: list[Piece]


def convert_mathml(markup: bytes) -> str | None:
    r"""One `<math>` element, or what is inside it, as LaTeX without delimiters; "" if it shows nothing.

    None if it is content MathML, is nested more than 200 deep, or ends inside a tag or a comment.

    >>> convert_mathml(b"<msup><mi>x</mi><mn>2</mn></msup><mo>&#8804;</mo><mi>sin</mi><mi>&alpha;</mi>")
    'x^2 \\leq \\sin \\alpha'
    """
    source = markup.decode("utf-8", "replace")
    stack = [Element("math", {}, [])]
    position: int | None = 0
    while position is not None and position < len(source):
        if source[position] != "<":
            begin, position = position, source.find("<", position)
            position = position if position >= 0 else len(source)
            add_text(stack[-1], html.unescape(source[begin:position]))
        elif source.startswith(("<!", "<?"), position):
            position = pass_declaration(stack[-1], source, position)
        else:
            position = pass_tag(stack, source, position)
    if position is None:
        return None
    while len(stack) > 1:
        end_element(stack, stack[-1].name)
    return build_row({}, stack[0].children).latex.strip()


def pass_declaration(element: Element, source: str, begin: int) -> int | None:
    """Where the comment, CDATA section, … at `begin` ends; the text of CDATA is text."""
    declarations = ("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", ">"), ("<!", ">")
    opening, closing = next(pair for pair in declarations if source.startswith(pair[0], begin))
    end = source.find(closing, begin + len(opening))
    if end >= 0 and closing == "]]>":
        add_text(element, source[begin + len(opening) : end])
    return end + len(closing) if end >= 0 else None


def pass_tag(stack: list[Element], source: str, begin: int) -> int | None:
    """Where the tag at `begin` ends, the stack changed accordingly."""
    tag = TAG.match(source, begin)
    if tag is None:
        return None
    name = tag[2].rpartition(":")[2].lower()
    if tag[1]:
        end_element(stack, name)
        return tag.end()
    if name in CONTENT or len(stack) > DEEPEST:
        return None
    if name.startswith("annotation"):  # the same formula in another notation
        end = source.find("</" + tag[2], tag.end())
        return end if end >= 0 else None
    found = ATTRIBUTE.findall(tag[3])
    stack.append(Element(name, {key.lower(): html.unescape(a or b or c) for key, a, b, c in found}, []))
    if tag[3].endswith("/") or name in ("br", "img", "hr"):
        end_element(stack, name)
    return tag.end()


def end_element(stack: list[Element], name: str) -> None:
    """Close the innermost element of that name and all inside it; an end without a start is passed over."""
    if all(element.name != name for element in stack[1:]):
        return
    closed = ""
    while closed != name:
        closed, attributes, children = stack.pop()
        stack[-1].children.append(BUILDERS.get(closed, build_row)(attributes, children))


def add_text(element: Element, text: str) -> None:
    text = text.translate(INVISIBLE)
    if element.name in TOKENS:
        element.children.append(Piece(text, "raw", text))
    elif text.strip():
        element.children.append(build_text({}, [Piece(text, "raw", text)]))
