"""Elements of presentation MathML, their children converted already → LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable

from dspipe.extract.mathematics.symbols import (
    EXTENSIBLE,
    FUNCTIONS,
    IN_TEXT,
    NOTHING,
    OVER,
    PRIMES,
    SIGNS,
    STYLES,
    TERM,
    UNDER,
    WHITESPACE,
    WITH_LIMITS,
    Attributes,
    Piece,
    collide,
    own_text,
    write_character,
    write_characters,
)

MATRICES = {"()": "pmatrix", "[]": "bmatrix", "{}": "Bmatrix", "||": "vmatrix", "‖‖": "Vmatrix", "{": "cases"}

NOTATIONS = {
    "box": "boxed",
    "top": "overline",
    "bottom": "underline",
    "updiagonalstrike": "cancel",
    "downdiagonalstrike": "bcancel",
    "radical": "sqrt",
}

TALL = (r"\frac{", r"\begin{", r"\sum_", r"\prod_", r"\int_")
SPACED_COMMANDS = (r"\frac{", r"\sqrt{", r"\binom{")

WIDTH = re.compile(r"(\d{1,4}(?:\.\d{0,30})?|\.\d{1,30})(em|ex|px|pt)")
UNITS = {"em": 1, "ex": 2, "px": 16, "pt": 10}


def build_identifier(attributes: Attributes, children: list[Piece]) -> Piece:
    name = own_text(children)
    style = STYLES.get(attributes.get("mathvariant", ""), "")
    if len(name) <= 1:
        piece = write_character(name) if name else NOTHING
        if not style or not piece.latex or (style == "mathrm" and not (name.isascii() and name.isalpha())):
            return piece
        return Piece(f"\\{style}{{{piece.latex}}}", "atom", name)
    if name.replace(" ", "") in FUNCTIONS:
        return Piece("\\" + name.replace(" ", ""), "function", name)
    if " " in name:
        return build_text(attributes, children)
    if not style and not (name.isascii() and name.isalpha()):
        return Piece(write_characters(name), "row", name)
    return Piece(f"\\{style or 'mathrm'}{{{write_characters(name)}}}", "atom", name)


def build_operator(attributes: Attributes, children: list[Piece]) -> Piece:
    name = own_text(children)
    if len(name) <= 1:
        return write_character(name) if name else NOTHING
    if name.replace(" ", "") in FUNCTIONS:
        return Piece("\\" + name.replace(" ", ""), "function", name)
    if name == "mod":
        return Piece(r"\bmod", "infix", name)
    if name.isascii() and name.isalpha():
        return Piece(rf"\operatorname{{{name}}}", "function", name)
    return Piece(write_characters(name), "prime" if set(name) <= set(PRIMES) else "infix", name)


def build_number(attributes: Attributes, children: list[Piece]) -> Piece:
    text = own_text(children)
    style = STYLES.get(attributes.get("mathvariant", ""), "mathrm")
    latex = write_characters(text)
    return Piece(latex if style == "mathrm" or not latex else f"\\{style}{{{latex}}}", "atom", text)


def build_text(attributes: Attributes, children: list[Piece]) -> Piece:
    text = WHITESPACE.sub(" ", "".join(child.text for child in children))
    text = "".join(c for c in text if c.isprintable())
    if not text.strip():
        return Piece(r"\ " if text else "", "space", " ")
    return Piece(rf"\text{{{text.translate(IN_TEXT)}}}", "text", text)


def build_string(attributes: Attributes, children: list[Piece]) -> Piece:
    return build_text(attributes, [Piece("", "raw", f'"{own_text(children)}"')])


def build_space(attributes: Attributes, children: list[Piece]) -> Piece:
    if attributes.get("linebreak") == "newline":
        return Piece(r"\\", "space", " ")
    width = WIDTH.fullmatch(attributes.get("width", "").strip())
    ems = float(width[1]) / UNITS[width[2]] if width else 0
    latex = r"\qquad" if ems >= 2 else r"\quad" if ems >= 0.9 else r"\," if ems >= 0.1 else ""
    return Piece(latex, "space", " ")


def build_row(attributes: Attributes, children: list[Piece]) -> Piece:
    pieces = fence_tables([child for child in children if child.latex or child.role == "apply"])
    if len(pieces) <= 1:
        return pieces[0] if pieces else NOTHING
    if not encloses(pieces):
        return Piece(write_row(pieces), "row")
    inner = write_row(pieces[1:-1])
    left, right = (r"\left", r"\right") if any(command in inner for command in TALL) else ("", "")
    opening = left + pieces[0].latex
    return Piece(f"{opening}{' ' * collide(opening, inner)}{inner}{right}{pieces[-1].latex}", "fence")


def write_row(pieces: list[Piece]) -> str:
    """The pieces one after the other, with spaces where a person would write them."""
    written: list[str] = []
    before = NOTHING
    for piece in pieces:
        if piece.role == "apply":
            if before.latex.startswith(r"\mathrm{"):
                before = Piece(r"\operatorname" + before.latex[7:], "function")
                written[-1] = before.latex
            continue
        if not piece.latex:
            continue
        if piece.latex in SIGNS and before.role in ("nothing", "open", "infix", "comma", "sign"):
            piece = piece._replace(role="sign")
        if are_spaced(before, piece) or collide(before.latex, piece.latex):
            written.append(" ")
        written.append(piece.latex)
        before = piece
    return "".join(written)


def are_spaced(before: Piece, after: Piece) -> bool:
    if before.role in ("nothing", "open", "sign") or after.role in ("close", "comma", "prime"):
        return before.role == "infix"
    if before.role == "function" and after.role in ("open", "fence"):
        return before.latex.endswith("}") and not before.latex.startswith(r"\operatorname{")
    is_term = after.role in ("atom", "scripted") and TERM.match(after.latex)
    if is_term and (before.role == "scripted" or before.latex.startswith(SPACED_COMMANDS)):
        return not before.latex.endswith("'")  # x_1 y, \frac{1}{2} x
    spaced = ("infix", "large", "function", "space")
    return before.role in (*spaced, "comma") or after.role in spaced


def encloses(pieces: list[Piece]) -> bool:
    """Whether the first and the last piece are a pair of fences around all the others."""
    if [pieces[0].role, pieces[-1].role] == ["bar", "bar"]:
        return len(pieces) > 2 and all(piece.role != "bar" for piece in pieces[1:-1])
    if [pieces[0].role, pieces[-1].role] != ["open", "close"]:
        return False
    depth = 0
    for piece in pieces[:-1]:
        depth += (piece.role == "open") - (piece.role == "close")
        if depth <= 0:
            return False
    return True


def fence_tables(pieces: list[Piece]) -> list[Piece]:
    """Tables and choices together with the fences around them: pmatrix, cases, binom."""
    fenced: list[Piece] = []
    closed = False
    for piece, following in zip(pieces, [*pieces, NOTHING][1:], strict=True):
        if closed:
            closed = False
            continue
        opening = fenced[-1].text if fenced and fenced[-1].role in ("open", "bar") else ""
        closing = following.text if following.role in ("close", "bar") else ""
        if piece.role == "choice" and opening + closing == "()":
            fenced[-1], closed = Piece(piece.text), True
        elif piece.role == "table" and opening and closing and opening + closing in MATRICES:
            fenced[-1], closed = write_environment(MATRICES[opening + closing], piece.text), True
        elif piece.role == "table" and opening == "{" and not closing:
            fenced[-1] = write_environment("cases", piece.text)
        else:
            fenced.append(piece)
    return fenced


def write_environment(name: str, rows: str) -> Piece:
    return Piece(rf"\begin{{{name}}} {rows} \end{{{name}}}")


def build_fenced(attributes: Attributes, children: list[Piece]) -> Piece:
    separators = attributes.get("separators", ",").replace(" ", "")
    pieces = [build_operator({}, [Piece("", "raw", attributes.get("open", "("))])]
    for number, child in enumerate(children):
        if number and separators:
            pieces.append(write_character(separators[min(number, len(separators)) - 1]))
        pieces.append(child)
    return build_row({}, [*pieces, build_operator({}, [Piece("", "raw", attributes.get("close", ")"))])])


def argument(piece: Piece) -> str:
    if len(piece.latex) == 1 and piece.latex != "'":
        return piece.latex
    return f"{{{piece.latex if chr(92) in piece.latex else piece.latex.replace(' ', '')}}}"


def attach(base: Piece, sub: Piece, sup: Piece) -> Piece:
    """The base with a subscript and a superscript, either of which may be nothing."""
    latex = base.latex
    if not latex or base.role in ("row", "scripted", "prime", "space"):
        latex = f"{{{latex}}}"
    if sub.latex:
        latex += "_" + argument(sub)
    if sup.latex:
        latex += sup.latex if set(sup.latex) == {"'"} else "^" + argument(sup)
    keeps = base.role in ("large", "function", "infix", "label")
    return Piece(latex, base.role if keeps else "scripted", base.text if keeps else "")


def put(base: Piece, mark: Piece, marks: dict[str, str], otherwise: str) -> Piece:
    """The base with an accent, a brace or any other mark over or under it."""
    commands = marks.get(mark.text, "").split() if mark.role not in ("scripted", "text") else []
    if not commands:
        role = "infix" if base.role == "infix" else "atom"
        return Piece(f"\\{otherwise}{{{mark.latex}}}{{{base.latex}}}", role)
    short = len(base.latex) == 1 or (base.latex[:1] == "\\" and base.latex[1:].isalpha())
    command = commands[0] if short else commands[-1]
    return Piece(f"\\{command}{{{base.latex}}}", "label" if command.endswith("brace") else "atom")


def place(base: Piece, under: Piece, over: Piece) -> Piece:
    if base.role in ("large", "label") or base.latex[1:] in WITH_LIMITS:
        return attach(base, under, over)
    if base.text in EXTENSIBLE and base.role == "infix" and under.role != "infix":
        optional = f"[{{{under.latex}}}]" if under.latex else ""
        return Piece(f"\\{EXTENSIBLE[base.text]}{optional}{{{over.latex}}}", "infix")
    if over.latex:
        base = put(base, over, OVER, "overset")
    return put(base, under, UNDER, "underset") if under.latex else base


def build_scripted(
    shape: str, write: Callable[[Piece, Piece, Piece], Piece]
) -> Callable[[Attributes, list[Piece]], Piece]:
    """A builder for children in the order of `shape`: b base, l lower, u upper."""

    def build(attributes: Attributes, children: list[Piece]) -> Piece:
        if len(children) != len(shape):
            return build_row(attributes, children)
        base, lower, upper = (children[shape.index(c)] if c in shape else NOTHING for c in "blu")
        return write(base, lower, upper)

    return build


def build_multiscripts(attributes: Attributes, children: list[Piece]) -> Piece:
    roles = [child.role for child in children]
    middle = roles.index("prescripts") if "prescripts" in roles else len(children)
    before, after = children[middle + 1 :], children[1:middle]
    pieces = [attach(NOTHING, *pair) for pair in zip(before[::2], before[1::2], strict=False)]
    base = children[0] if middle else NOTHING
    for number, (sub, sup) in enumerate(zip(after[::2], after[1::2], strict=False)):
        base = attach(base, sub, sup) if number == 0 else base
        if number:
            base = Piece(base.latex + attach(NOTHING, sub, sup).latex, "scripted")
    return Piece("".join(piece.latex for piece in pieces) + base.latex, "scripted")


def build_fraction(attributes: Attributes, children: list[Piece]) -> Piece:
    if len(children) != 2:
        return build_row(attributes, children)
    above, below = (child.latex for child in children)
    if re.fullmatch(r"0[a-z.0]*", attributes.get("linethickness", "").strip()):
        return Piece(rf"{{{above} \atop {below}}}", "choice", rf"\binom{{{above}}}{{{below}}}")
    return Piece(rf"\frac{{{above}}}{{{below}}}")


def build_root(attributes: Attributes, children: list[Piece]) -> Piece:
    if len(children) != 2:
        return wrap("sqrt")(attributes, children)
    index = children[1].latex
    return Piece(f"\\sqrt[{f'{{{index}}}' if ']' in index else index}]{{{children[0].latex}}}")


def wrap(command: str) -> Callable[[Attributes, list[Piece]], Piece]:
    def build(attributes: Attributes, children: list[Piece]) -> Piece:
        return Piece(f"\\{command}{{{build_row(attributes, children).latex}}}")

    return build


def build_enclosed(attributes: Attributes, children: list[Piece]) -> Piece:
    for notation in attributes.get("notation", "").split():
        if notation in NOTATIONS:
            return wrap(NOTATIONS[notation])(attributes, children)
    return build_row(attributes, children)


def build_first(attributes: Attributes, children: list[Piece]) -> Piece:
    return children[0] if children else NOTHING


def build_cell(attributes: Attributes, children: list[Piece]) -> Piece:
    return Piece(build_row(attributes, children).latex, "cell")


def build_table_row(attributes: Attributes, children: list[Piece]) -> Piece:
    return Piece(" & ".join(child.latex for child in children).strip(), "cells", "row")


def build_table(attributes: Attributes, children: list[Piece]) -> Piece:
    rows = r" \\ ".join(child.latex for child in children)
    name = "aligned" if attributes.get("columnalign", "").startswith("right left") else "matrix"
    return Piece(write_environment(name, rows).latex, "table", rows)


TOKENS: dict[str, Callable[[Attributes, list[Piece]], Piece]] = {
    "mi": build_identifier,
    "mn": build_number,
    "mo": build_operator,
    "mtext": build_text,
    "ms": build_string,
}
BUILDERS = {
    **TOKENS,
    "mspace": build_space,
    "mfenced": build_fenced,
    "mfrac": build_fraction,
    "msqrt": wrap("sqrt"),
    "mroot": build_root,
    "mphantom": wrap("phantom"),
    "menclose": build_enclosed,
    "msub": build_scripted("bl", attach),
    "msup": build_scripted("bu", attach),
    "msubsup": build_scripted("blu", attach),
    "munder": build_scripted("bl", place),
    "mover": build_scripted("bu", place),
    "munderover": build_scripted("blu", place),
    "mmultiscripts": build_multiscripts,
    "mprescripts": lambda attributes, children: Piece("", "prescripts"),
    "mtable": build_table,
    "mtr": build_table_row,
    "mlabeledtr": lambda attributes, children: build_table_row(attributes, children[1:]),
    "mtd": build_cell,
    "semantics": build_first,
    "maction": build_first,
}
