"""Worked exercises, definitions and proofs: texts from ``math.txt``, numbers computed here."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from .grammar import jaccard, shingles

Values = dict[str, object]
CHOICE = re.compile(r"<<([^<>]*)>>")
INTROS = (
    "Sheet {n}. The {k} parts below can be read on their own.",
    "These notes were written for lesson {n}; {k} small results are treated.",
    "Revision, week {n}. Try each of the {k} items before reading on.",
    "Notebook page {n}.",
    "Evening class, meeting {n}: {k} topics, with full solutions.",
    "Warm-up number {n}. No calculator is needed, apart from the last digits.",
)
TITLES = {
    "quadratic": "Quadratic equations",
    "system": "Linear systems",
    "gcd": "Euclid's algorithm",
    "derivative": "Tangents",
    "integral": "Areas",
    "gauss": "Sums by induction",
    "irrational": "Irrational roots",
    "binomial": "Choosing a committee",
    "modular": "Powers modulo m",
    "geometric": "The bouncing ball",
    "bayes": "False alarms",
    "limit": "Limits of sequences",
    "group": "Orders of elements",
    "matrix": "Eigenvalues",
    "pythagoras": "A ladder at the wall",
    "interest": "Compound interest",
    "primes": "Infinitely many primes",
    "factor": "Counting divisors",
    "variance": "Mean and variance",
    "recurrence": "Linear recurrences",
    "optimum": "A fence by the river",
    "triangle": "Two means",
    "continuity": "Continuity",
    "pigeon": "The pigeonhole principle",
    "dice": "Rolling dice",
    "vectors": "Angles between vectors",
}


def _signed(value: int) -> str:
    return f"+ {value}" if value >= 0 else f"- {-value}"


def _decimal(value: Fraction | float, digits: int = 3) -> str:
    return f"{float(value):.{digits}f}".rstrip("0").rstrip(".")


def _exact(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def quadratic(rng: random.Random) -> Values:
    r, s = rng.sample([n for n in range(-12, 13) if n], 2)
    b, c = -(r + s), r * s
    return {
        "r": r,
        "s": s,
        "b": b,
        "c": c,
        "sum": r + s,
        "b_signed": _signed(b),
        "c_signed": _signed(c),
        "disc": b * b - 4 * c,
        "root": abs(r - s),
    }


def system(rng: random.Random) -> Values:
    while True:
        a, b, c, d = (rng.randint(1, 9) for _ in range(4))
        if a * d != b * c:
            break
    x, y = rng.randint(-6, 9), rng.randint(-6, 9)
    return {
        "a": a,
        "b": b,
        "c": c,
        "d": d,
        "x": x,
        "y": y,
        "e": a * x + b * y,
        "f": c * x + d * y,
        "det": a * d - b * c,
    }


def gcd(rng: random.Random) -> Values:
    factor = rng.randint(2, 24)
    a, b = factor * rng.randint(41, 120), factor * rng.randint(11, 40)
    rows, old, new = [], (a, 1, 0), (b, 0, 1)
    while new[0]:
        q = old[0] // new[0]
        rows.append(f"\\[ {old[0]} = {q} \\cdot {new[0]} + {old[0] % new[0]} \\]")
        old, new = new, (old[0] - q * new[0], old[1] - q * new[1], old[2] - q * new[2])
    return {"a": a, "b": b, "g": old[0], "u": old[1], "v": old[2], "steps": "\n".join(rows)}


def derivative(rng: random.Random) -> Values:
    a, b, c, p = rng.randint(2, 6), rng.randint(-9, 9), rng.randint(-9, 9), rng.randint(1, 4)
    value = a * p**3 + b * p**2 + c * p
    return {
        "a": a,
        "p": p,
        "c": c,
        "b_signed": _signed(b),
        "c_signed": _signed(c),
        "a3": 3 * a,
        "b2_signed": _signed(2 * b),
        "fp": value,
        "fp_signed": _signed(value),
        "dp": 3 * a * p * p + 2 * b * p + c,
    }


def integral(rng: random.Random) -> Values:
    a, b, t = rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 7)
    return {"a": a, "b": b, "t": t, "value": _exact(Fraction(a * t**3, 3) + Fraction(b * t**2, 2))}


def gauss(rng: random.Random) -> Values:
    n = rng.randint(12, 400)
    return {"n": n, "n1": n + 1, "value": n * (n + 1) // 2}


def irrational(rng: random.Random) -> Values:
    p = rng.choice([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43])
    return {"p": p, "root": _decimal(math.sqrt(p), 4)}


def binomial(rng: random.Random) -> Values:
    n = rng.randint(7, 18)
    k = rng.randint(2, n - 2)
    return {
        "n": n,
        "k": k,
        "m": n - k,
        "value": math.comb(n, k),
        "n1": n - 1,
        "k1": k - 1,
        "with_one": math.comb(n - 1, k - 1),
    }


def modular(rng: random.Random) -> Values:
    a, e, m = rng.randint(2, 15), rng.randint(11, 60), rng.randint(17, 97)
    squares = [f"${a}^{{{2**i}}} \\equiv {pow(a, 2**i, m)}$" for i in range(e.bit_length())]
    return {"a": a, "e": e, "m": m, "binary": f"{e:b}", "powers": ", ".join(squares), "value": pow(a, e, m)}


def geometric(rng: random.Random) -> Values:
    h, q = rng.randint(2, 20), rng.randint(3, 9)
    p = rng.randint(1, q - 1)
    rest = Fraction(2 * h * p, q - p)
    return {"h": h, "p": p, "q": q, "num": 2 * h * p, "den": q - p, "total": _exact(h + rest)}


def bayes(rng: random.Random) -> Values:
    s, f, d = rng.randint(85, 99), rng.randint(1, 8), 100 * rng.randint(1, 6)
    hits, alarms = s * d // 100, f * (10000 - d) // 100
    return {
        "s": s,
        "f": f,
        "d": d,
        "good": 10000 - d,
        "tp": hits,
        "fp": alarms,
        "p": _decimal(hits / (hits + alarms)),
    }


def limit(rng: random.Random) -> Values:
    a, b, k = rng.randint(1, 9), rng.randint(1, 30), 10 * rng.randint(1, 50)
    return {"a": a, "b": b, "k": k, "N": b * k + 1}


def group(rng: random.Random) -> Values:
    n = rng.randint(10, 90)
    a = rng.randint(2, n - 1)
    g = math.gcd(a, n)
    return {"n": n, "a": a, "g": g, "order": n // g}


def matrix(rng: random.Random) -> Values:
    r, s, a, b = rng.randint(-6, 9), rng.randint(-6, 9), rng.randint(-5, 8), rng.choice([1, -1])
    d = r + s - a
    c = (a * d - r * s) * b
    return {
        "a": a,
        "b": b,
        "c": c,
        "d": d,
        "tr": a + d,
        "det": a * d - b * c,
        "r": r,
        "s": s,
        "s_par": f"({s})" if s < 0 else s,
    }


def pythagoras(rng: random.Random) -> Values:
    n = rng.randint(1, 4)
    m = n + rng.randint(1, 4)
    a, b, c = m * m - n * n, 2 * m * n, m * m + n * n
    a, b = min(a, b), max(a, b)
    return {"a": a, "b": b, "c": c, "a2": a * a, "b2": b * b, "c2": c * c, "m": m, "n": n}


def interest(rng: random.Random) -> Values:
    k, p, n = 50 * rng.randint(4, 90), rng.randint(1, 9), rng.randint(3, 25)
    return {
        "k": k,
        "p": p,
        "n": n,
        "value": f"{k * (1 + p / 100) ** n:.2f}",
        "double": f"{math.log(2) / math.log(1 + p / 100):.1f}",
    }


def _factors(n: int) -> dict[int, int]:
    found: dict[int, int] = {}
    p = 2
    while n > 1:
        while n % p == 0:
            found[p] = found.get(p, 0) + 1
            n //= p
        p += 1
    return found


def primes(rng: random.Random) -> Values:
    chosen = sorted(rng.sample([2, 3, 5, 7, 11, 13, 17, 19, 23], rng.randint(2, 4)))
    n = math.prod(chosen) + 1
    return {"list": ", ".join(map(str, chosen)), "n": n, "q": min(_factors(n))}


def factor(rng: random.Random) -> Values:
    n = rng.randint(60, 4000)
    found = _factors(n)
    sigma = sum(d for d in range(1, n + 1) if n % d == 0)
    kind = "perfect" if sigma == 2 * n else "abundant" if sigma > 2 * n else "deficient"
    return {
        "n": n,
        "factors": r" \cdot ".join(f"{p}^{{{e}}}" for p, e in found.items()),
        "product": r" \cdot ".join(f"({e} + 1)" for e in found.values()),
        "count": math.prod(e + 1 for e in found.values()),
        "sigma": sigma,
        "kind": kind,
    }


def variance(rng: random.Random) -> Values:
    data = [rng.randint(2, 40) for _ in range(rng.choice([4, 5, 8]))]
    mean = Fraction(sum(data), len(data))
    spread = sum((x - mean) ** 2 for x in data)
    var = Fraction(spread) / len(data)
    return {
        "data": ", ".join(map(str, data)),
        "n": len(data),
        "sum": sum(data),
        "mean": _decimal(mean),
        "ss": _exact(Fraction(spread)),
        "var": _exact(var),
        "sd": _decimal(math.sqrt(var)),
        "maxdev": _decimal(max(data) - mean),
    }


def recurrence(rng: random.Random) -> Values:
    a0, q, c = rng.randint(0, 9), rng.randint(2, 5), rng.randint(1, 12)
    values = [a0]
    for _ in range(5):
        values.append(q * values[-1] + c)
    return {
        "a0": a0,
        "q": q,
        "c": c,
        "fix": _exact(Fraction(c, 1 - q)),
        "values": ", ".join(map(str, values)),
    }


def optimum(rng: random.Random) -> Values:
    length = 4 * rng.randint(8, 150)
    return {"L": length, "x": length // 4, "y": length // 2, "area": length * length // 8}


def triangle(rng: random.Random) -> Values:
    a, b = rng.sample(range(2, 60), 2)
    return {"a": a, "b": b, "am": _decimal(Fraction(a + b, 2)), "gm": _decimal(math.sqrt(a * b))}


def continuity(rng: random.Random) -> Values:
    a, b, e = rng.choice([2, 4, 5, 8]), rng.randint(1, 30), rng.choice([1, 2, 4])
    return {"a": a, "b": b, "e": f"0.{e}", "delta": _decimal(Fraction(e, 10 * a), 4)}


def pigeon(rng: random.Random) -> Values:
    q, r = rng.randint(1, 40), rng.randint(1, 11)
    return {"m": 12 * q + r, "k": q + 1, "q": q, "r": r}


def dice(rng: random.Random) -> Values:
    n, k = rng.choice([4, 6, 8, 10, 12, 20]), rng.randint(2, 30)
    one, var = Fraction(1 + n, 2), Fraction(n * n - 1, 12)
    return {
        "n": n,
        "k": k,
        "one": _decimal(one),
        "total": _decimal(k * one),
        "var": _exact(var),
        "vartotal": _decimal(k * var),
    }


def vectors(rng: random.Random) -> Values:
    a, b, c, d = rng.randint(1, 9), rng.randint(1, 9), rng.randint(1, 9), rng.randint(-9, 9)
    dot, uu, vv = a * c + b * d, a * a + b * b, c * c + d * d
    cosine = max(-1.0, min(1.0, dot / math.sqrt(uu * vv)))
    return {
        "a": a,
        "b": b,
        "c": c,
        "d": d,
        "dot": dot,
        "uu": uu,
        "vv": vv,
        "cos": _decimal(cosine),
        "deg": _decimal(math.degrees(math.acos(cosine)), 1),
    }


MAKERS: tuple[Callable[[random.Random], Values], ...] = (
    quadratic,
    system,
    gcd,
    derivative,
    integral,
    gauss,
    irrational,
    binomial,
    modular,
    geometric,
    bayes,
    limit,
    group,
    matrix,
    pythagoras,
    interest,
    primes,
    factor,
    variance,
    recurrence,
    optimum,
    triangle,
    continuity,
    pigeon,
    dice,
    vectors,
)


def templates() -> dict[str, str]:
    """The texts of ``math.txt`` by name."""
    parts = (Path(__file__).resolve().parent / "math.txt").read_text(encoding="utf-8").split("% ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}


def _fill(template: str, values: Values, rng: random.Random) -> str:
    text = CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), template)
    return re.sub(r"@(\w+)", lambda match: str(values[match.group(1)]), text)


def _document(number: int, texts: dict[str, str], rng: random.Random) -> str:
    makers = rng.sample(MAKERS, rng.choice([2, 2, 3, 4]))
    parts = [rng.choice(INTROS).format(n=number + 1, k=len(makers))]
    for index, maker in enumerate(makers, 1):
        body = _fill(texts[maker.__name__], maker(rng), rng)
        parts.append(f"## {index}. {TITLES[maker.__name__]}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def documents(count: int) -> list[dict[str, str]]:
    """The rows of math.parquet; no two share half of their 5-grams."""
    texts = templates()
    rows: list[dict[str, str]] = []
    seen: list[frozenset[str]] = []
    for number in range(count):
        for attempt in range(200):
            text = _document(number, texts, random.Random(f"math/{number}/{attempt}"))
            marks = shingles(text)
            if all(jaccard(marks, other) < 0.4 for other in seen):
                break
        else:
            raise RuntimeError("the exercises are too much alike")
        seen.append(marks)
        rows.append({"id": f"math-{number:04d}", "text": text, "license": "CC0-1.0"})
    return rows
