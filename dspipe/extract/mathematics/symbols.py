"""Unicode's mathematical characters → the LaTeX commands that write them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Each word below is a character and the command that writes it.
ORDINARY = r"""
αalpha βbeta γgamma δdelta ϵepsilon εvarepsilon ζzeta ηeta θtheta ϑvartheta ιiota κkappa ϰvarkappa λlambda μmu
µmu νnu ξxi πpi ϖvarpi ρrho ϱvarrho σsigma ςvarsigma τtau υupsilon ϕphi φvarphi χchi ψpsi ωomega ΓGamma ΔDelta
ΘTheta ΛLambda ΞXi ΠPi ΣSigma ΥUpsilon ΦPhi ΨPsi ΩOmega ∆Delta ΩOmega ℵaleph ℶbeth ℏhbar ℓell ℘wp ℜRe ℑIm
ıimath ȷjmath ∂partial ∇nabla ∞infty ∅emptyset ∃exists ∄nexists ∀forall ¬neg ⊤top ⊥bot ∠angle ∡measuredangle
△triangle □square ■blacksquare ◊lozenge ♭flat ♮natural ♯sharp ♠spadesuit ♡heartsuit ♢diamondsuit ♣clubsuit
…ldots ⋯cdots ⋮vdots ⋱ddots °circ ℧mho ðeth †dagger ‡ddagger §S ¶P £pounds ∁complement ★bigstar √surd
"""
RELATIONS = r"""
≤leq ≥geq ≠neq ≈approx ≡equiv ∼sim ~sim ≃simeq ≅cong ≐doteq ≜triangleq ∝propto ≪ll ≫gg ≺prec ≻succ ⪯preceq
⪰succeq ≼preccurlyeq ≽succcurlyeq ≲lesssim ≳gtrsim ⩽leqslant ⩾geqslant ≮nless ≯ngtr ≰nleq ≱ngeq ∈in ∉notin ∋ni
⊂subset ⊃supset ⊆subseteq ⊇supseteq ⊊subsetneq ⊋supsetneq ⊈nsubseteq ⊉nsupseteq ⊏sqsubset ⊑sqsubseteq
⊒sqsupseteq ∣mid ∤nmid ∥parallel ∦nparallel ⊢vdash ⊣dashv ⊨models ⊩Vdash ≍asymp ⋈bowtie →to ←leftarrow
↔leftrightarrow ⇒Rightarrow ⇐Leftarrow ⇔Leftrightarrow ⟶longrightarrow ⟵longleftarrow ⟷longleftrightarrow
⟹Longrightarrow ⟸Longleftarrow ⟺Longleftrightarrow ↦mapsto ⟼longmapsto ↪hookrightarrow ↩hookleftarrow
↠twoheadrightarrow ↣rightarrowtail ⇀rightharpoonup ↼leftharpoonup ⇌rightleftharpoons ⇄rightleftarrows ↑uparrow
↓downarrow ↕updownarrow ⇑Uparrow ⇓Downarrow ↗nearrow ↘searrow ↙swarrow ↖nwarrow ⇝rightsquigarrow ↛nrightarrow
⇏nRightarrow ⊲vartriangleleft ⊳vartriangleright ⊴trianglelefteq ⊵trianglerighteq ∴therefore ∵because
"""
BINARY = r"""
±pm ∓mp ×times ÷div ⋅cdot ·cdot ∙bullet •bullet ∘circ ∗ast ⋆star ⊕oplus ⊖ominus ⊗otimes ⊘oslash ⊙odot ∪cup
∩cap ⊎uplus ⊓sqcap ⊔sqcup ∧wedge ^wedge ∨vee ∖setminus ⧵setminus ≀wr ⋄diamond ⋉ltimes ⋊rtimes ⨿amalg ⊻veebar
"""
LARGE = r"""
∑sum ∏prod ∐coprod ∫int ∬iint ∭iiint ⨌iiiint ∮oint ∯oiint ⋃bigcup ⋂bigcap ⋁bigvee ⋀bigwedge ⨁bigoplus
⨂bigotimes ⨀bigodot ⨄biguplus ⨆bigsqcup
"""
OPENING = "{{ ⟨langle 〈langle ⌈lceil ⌊lfloor ⟮lgroup ⌜ulcorner ⟦llbracket"
CLOSING = "}} ⟩rangle 〉rangle ⌉rceil ⌋rfloor ⟯rgroup ⌝urcorner ⟧rrbracket"
FUNCTION_NAMES = """
arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf limsup ln log max
min Pr sec sin sinh sup tan tanh
"""
FUNCTIONS = frozenset(FUNCTION_NAMES.split())
WITH_LIMITS = ("det", "gcd", "inf", "lim", "liminf", "limsup", "max", "min", "Pr", "sup")
OVER = {
    **dict.fromkeys("^ˆ̂⏜", "hat widehat"),
    **dict.fromkeys("¯‾―ˉ̅_̄", "bar overline"),
    **dict.fromkeys("→⃗⇀", "vec overrightarrow"),
    **dict.fromkeys("~˜∼̃", "tilde widetilde"),
    **dict.fromkeys("˙̇.", "dot"),
    **dict.fromkeys("¨̈", "ddot"),
    "←": "overleftarrow",
    "↔": "overleftrightarrow",
    "⃛": "dddot",
    "ˇ": "check",
    "˘": "breve",
    "´": "acute",
    "`": "grave",
    "˚": "mathring",
    "⏞": "overbrace",
}
UNDER = {**dict.fromkeys("_¯‾―̲̱", "underline"), "⏟": "underbrace", "→": "underrightarrow"}
EXTENSIBLE = {"→": "xrightarrow", "⟶": "xrightarrow", "←": "xleftarrow", "⟵": "xleftarrow"}

STYLES = {
    "bold": "mathbf",
    "bold-italic": "boldsymbol",
    "double-struck": "mathbb",
    "script": "mathcal",
    "bold-script": "mathcal",
    "fraktur": "mathfrak",
    "black-letter": "mathfrak",
    "bold-fraktur": "mathfrak",
    "sans-serif": "mathsf",
    "monospace": "mathtt",
    "normal": "mathrm",
}

INVISIBLE = dict.fromkeys(map(ord, "\u2062\u2063\u2064\u200b\u200c\u200d\ufeff\ufe0e\ufe0f"))
PRIMES = {"'": 1, "′": 1, "″": 2, "‴": 3, "⁗": 4}

SIGNS = ("+", "-", r"\pm", r"\mp")
SPECIAL = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", **{c: "\\" + c for c in "{}$&#_%"}}
IN_TEXT = str.maketrans(SPECIAL)
STYLED_LETTER = re.compile(r"(?:MATHEMATICAL )?([A-Z -]+?) (?:CAPITAL|SMALL|DIGIT|NABLA|PARTIAL)\b")
TERM = re.compile(r"[^\W_]|\\[A-Za-z]")
WHITESPACE = re.compile(r"\s+")


class Piece(NamedTuple):
    """LaTeX and the role it plays; `text` is a token's own text, a table's rows, a choice's binomial."""

    latex: str
    role: str = "atom"
    text: str = ""


Attributes = dict[str, str]
NOTHING = Piece("", "nothing")


def read_commands(words: str, role: str) -> dict[str, Piece]:
    return {word[0]: Piece("\\" + word[1:], role, word[0]) for word in words.split()}


SYMBOLS = {
    **read_commands(ORDINARY, "atom"),
    **read_commands(RELATIONS + BINARY, "infix"),
    **read_commands(LARGE, "large"),
    **read_commands(OPENING, "open"),
    **read_commands(CLOSING, "close"),
    **{c: Piece(c, "open", c) for c in "(["},
    **{c: Piece(c, "close", c) for c in ")]"},
    **{c: Piece(c, "infix", c) for c in "=<>+-:"},
    **{c: Piece("-", "infix", c) for c in "−‐‑–"},
    **{c: Piece(c, "comma", c) for c in ",;"},
    **{c: Piece("'" * n, "prime", c) for c, n in PRIMES.items()},
    **{c: Piece("\\" + c, "atom", c) for c in "$&_#%"},
    **{c: Piece(r"\ ", "space", " ") for c in " \xa0\u2002\u2003\u2009"},
    "\\": Piece(r"\backslash", "atom", "\\"),
    "‖": Piece(r"\|", "bar", "‖"),
    "|": Piece("|", "bar", "|"),
    "\u2061": Piece("", "apply", "\u2061"),
}


@lru_cache(4096)
def write_character(character: str) -> Piece:
    """One character as LaTeX; styled letters become the command of their style."""
    if character in SYMBOLS or character.isascii():
        return SYMBOLS.get(character, Piece(character if character.isprintable() else "", "atom", character))
    name = STYLED_LETTER.match(unicodedata.name(character, ""))
    plain = unicodedata.normalize("NFKC", character)
    if name is None or len(plain) != 1 or plain == character:
        return Piece(character if character.isprintable() else "", "atom", character)
    style = name[1].lower().replace(" ", "-")
    command = STYLES.get("sans-serif" if style.startswith("sans-serif") else style)
    inner = write_character(plain).latex
    return Piece(f"\\{command}{{{inner}}}" if command else inner, "atom", character)


def write_characters(text: str) -> str:
    latex = ""
    for character in text:
        piece = write_character(character).latex
        latex += " " + piece if collide(latex, piece) else piece
    return latex


def collide(before: str, after: str) -> bool:
    r"""Whether `after` would be read as more letters of the command that ends `before`: \alpha, x."""
    if not before or before[-1] not in LETTERS or not after or after[0] not in LETTERS:
        return False
    return before[-24:].rstrip(LETTERS).endswith("\\")


def own_text(children: list[Piece]) -> str:
    return " ".join("".join(child.text for child in children).split())
