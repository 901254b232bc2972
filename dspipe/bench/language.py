"""`dspipe bench language`: texts → how fast their languages are found, by whom, and how often rightly.

Texts per second are of their first characters, and megabytes of the whole text where all lines are asked. The
yardstick is py3langid's own Python API on the same texts, in the same process and on one core; its answers on
every text, and on the lines of those that are timed, are compared with dspipe's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from dspipe.bench import Options, Say, timing
from dspipe.bench.contenders import on_one_core
from dspipe.bench.guessers import ask_py3langid, classify, find_guessers
from dspipe.bench.labelled import Labelled, read_labelled
from dspipe.bench.recognition import measure_accuracy, measure_mixtures
from dspipe.filter.languages.bayes import NaiveBayes
from dspipe.filter.languages.find import count_letters, find_languages
from dspipe.filter.languages.guess import UNDETERMINED
from dspipe.filter.languages.spans import Spans, find_prefixes, iterate_lines
from dspipe.recipe import Filter
from dspipe.text.arrow import Bytes, text_buffers

FLOOR = 20.0  # megabytes of text per second, of all lines
TIE = 0.01  # of log-probabilities, below which sums in another order may choose another label


def run(options: Options, say: Say) -> dict[str, Any]:
    """Speed, agreement with py3langid, and accuracy where the languages are known."""
    texts = read_labelled(options.data)
    held = texts.hold()
    size = texts.bytes
    say(f"{texts.given}: {len(texts.texts):,} texts, {size / 1e6:.1f} MB; timed on {held.bytes / 1e6:.1f} MB")
    figures = {
        "data": {"given": texts.given, "texts": len(texts.texts), "bytes": size, "timed": held.bytes},
        "first_characters": measure_prefixes(held, options.repeat, say),
        "lines": measure_lines(held, options.repeat, say),
        "agreement": measure_agreement(texts, held, say),
    }
    if any(texts.languages):
        figures |= {"accuracy": measure_accuracy(texts, say), "mixtures": measure_mixtures(texts, say)}
    return figures


def measure_prefixes(held: Labelled, repeat: int, say: Say) -> dict[str, Any]:
    """The language of first characters."""
    characters = Filter().language_characters
    prefixes = [text[:characters] for text in held.texts]
    works: dict[str, timing.Work] = {
        name: partial(ask_all, guesser, prefixes) for name, guesser in find_guessers().items()
    }
    works["dspipe"] = partial(find_languages, held.array, Filter())
    return time_all(works, held, repeat, "texts/s", len(prefixes), say)


def measure_lines(held: Labelled, repeat: int, say: Say) -> dict[str, Any]:
    """The language of every line that has letters enough."""
    array, settings = held.array, Filter(language_lines=True)
    text, offsets = text_buffers(array)
    nothing = np.full(len(held.texts), -1)
    works: dict[str, timing.Work] = {
        "py3langid": partial(ask_all, classify, list(spell_lines(held))),
        "dspipe, first characters and lines": partial(find_languages, array, settings),
        "dspipe, lines": partial(count_letters, text, offsets, nothing, NaiveBayes(), settings),
    }
    figures = time_all(works, held, repeat, "MB/s", held.bytes / 1e6, say)
    say(f"all lines are asked at {figures['dspipe, lines']['rate']} MB/s of text (floor {FLOOR:.0f})")
    return figures


def ask_all(guesser: Any, texts: list[str]) -> None:
    for text in texts:
        guesser(text)


def time_all(
    works: dict[str, timing.Work], held: Labelled, repeat: int, unit: str, amount: float, say: Say
) -> dict[str, Any]:
    """Seconds and rates, and how they compare with py3langid's."""
    seconds = timing.take_turns({name: on_one_core(work) for name, work in works.items()}, repeat)
    figures: dict[str, Any] = {}
    for name, taken in seconds.items():
        ratio = timing.divide(seconds["py3langid"], taken)
        rate = timing.summarize([amount / one for one in taken])
        figures[name] = {"seconds": timing.summarize(taken), "rate": rate, "unit": unit, "ratio": ratio}
        say(f"{name:<36}{rate.median:12,.1f} {unit:<8}{ratio} × py3langid")
    return figures


def spell_lines(held: Labelled) -> Iterator[str]:
    text, offsets = text_buffers(held.array)
    for _, lines in iterate_lines(text, offsets, Filter().language_letters):
        yield from spell_spans(text, lines)


def spell_spans(text: Bytes, spans: Spans) -> Iterator[str]:
    for start, end in zip(spans.starts, spans.ends, strict=True):
        yield text[start:end].tobytes().decode("utf-8", "replace")


def measure_agreement(texts: Labelled, held: Labelled, say: Say) -> dict[str, Any]:
    """How often the label is not py3langid's, on first characters of all texts and on the lines held."""
    text, offsets = text_buffers(texts.array)
    prefixes = [find_prefixes(text, offsets, Filter().language_characters)]
    line_text, line_offsets = text_buffers(held.array)
    lines = iterate_lines(line_text, line_offsets, Filter().language_letters)
    figures = {
        "first_characters": compare(text, iter(prefixes)),
        "lines": compare(line_text, (spans for _, spans in lines)),
    }
    for name, found in figures.items():
        of, margin = f"{found['differing']} of {found['asked']:,}", f"{found['margin']:.2g}"
        ties = f"{found['ties']} more where two are within {TIE}"
        say(f"{name.replace('_', ' ')}: {of} labels are not py3langid's, {ties}; margins within {margin}")
    return figures


def compare(text: Bytes, blocks: Iterator[Spans]) -> dict[str, Any]:
    guesser = NaiveBayes()
    found: dict[str, Any] = {"asked": 0, "differing": 0, "ties": 0, "margin": 0.0}
    for spans in blocks:
        guess = guesser.guess(text, spans)
        for place, piece in enumerate(spell_spans(text, spans)):
            label, lead, margin = ask_py3langid(piece)
            ours = guesser.names[guess.label[place]] if guess.label[place] >= 0 else UNDETERMINED
            found["asked"] += 1
            found["ties" if lead < TIE else "differing"] += ours != label
            found["margin"] = max(found["margin"], abs(margin - float(guess.margin[place])))
    return found
