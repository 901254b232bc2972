"""A TOML file and `--set` options → a checked `Recipe`, or one line that names file, key and mend.

Everything is checked before any work starts; not YAML, which reads the language `no` as False.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from dspipe.recipe import (
    PRESETS,
    Dedup,
    Epochs,
    Filter,
    Mix,
    Pack,
    Recipe,
    RecipeError,
    Tokenizer,
    Train,
    flatten,
    join,
    packed_lengths,
    resolve_balance,
)

SCHEDULED = ("learning_rate", "batch_size", "sequence_length", "bias_speed", "balance_weight", "mtp_weight")


def load_recipe(path: str | Path, assignments: Sequence[str] = ()) -> Recipe:
    """Read, override, check.

    `assignments` are `--set` options, "stage.key=value", the value in TOML's notation or a bare string. An
    element of `[[extract.sources]]` is reached by its name: `extract.sources.web.path=...`.

    Raises:
        RecipeError: one line with the file, the key and the mend.
    """
    try:
        raw = tomllib.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise RecipeError(
            f"{path}: no such recipe; give the path of a .toml file, e.g. recipes/smoke.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise RecipeError(f"{path}: not a readable TOML file: {error}") from None
    for assignment in assignments:
        apply_assignment(raw, assignment)
    return check_recipe(raw, str(path))


def check_recipe(raw: dict[str, Any], file: str) -> Recipe:
    """Turn parsed TOML into a `Recipe` with presets and seeds filled in, or raise `RecipeError`."""
    try:
        recipe = msgspec.convert(expand_preset(raw), Recipe)
    except msgspec.ValidationError as error:
        raise RecipeError(f"{file}: {explain(error)}") from None
    for key, problem in find_contradictions(recipe):
        raise RecipeError(f"{file}: {key}: {problem}")
    return fill_seeds(recipe)


def apply_assignment(raw: dict[str, Any], assignment: str) -> None:
    """Carry out one `--set key=value` on the parsed file."""
    dotted, equals, text = assignment.partition("=")
    keys = [key for key in re.split(r"\.|\[(\d+)\]", dotted.strip()) if key]
    if not equals or not keys:
        raise RecipeError(f"--set {assignment}: write stage.key=value, e.g. --set dedup.bands=10")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    table: Any = raw
    for key in keys[:-1]:
        table = descend(table, key, assignment)
    if not isinstance(table, dict):
        raise RecipeError(f"--set {assignment}: {'.'.join(keys[:-1])} is no table; see recipes/README.md")
    table[keys[-1]] = value


def descend(table: Any, key: str, assignment: str) -> Any:
    if isinstance(table, dict):
        return table.setdefault(key, {})
    if isinstance(table, list):
        named = [item for item in table if isinstance(item, dict) and item.get("name") == key]
        if named:
            return named[0]
        if key.isdigit() and int(key) < len(table):
            return table[int(key)]
        names = ", ".join(str(item.get("name")) for item in table if isinstance(item, dict))
        raise RecipeError(f"--set {assignment}: there is no element named {key}; there are: {names}")
    raise RecipeError(f"--set {assignment}: {key} is no table; see recipes/README.md")


def expand_preset(raw: dict[str, Any]) -> dict[str, Any]:
    """Lay the named preset under the keys of `[train.model]`; 0 is TOML's way to say: no query latent."""
    train = raw.get("train")
    if not isinstance(train, dict) or not isinstance(model := train.get("model"), dict):
        return raw
    expanded = {**PRESETS.get(str(model.get("preset", "smoke")), {}), **model}
    if expanded.get("query_rank") == 0:
        expanded["query_rank"] = None
    return {**raw, "train": {**train, "model": expanded}}


def fill_seeds(recipe: Recipe) -> Recipe:
    """Hand the recipe's seed to the stages that draw, so that each stage sees its own table alone."""

    def seeded(table: Any) -> Any:
        return msgspec.structs.replace(table, seed=recipe.seed) if table.seed is None else table

    return msgspec.structs.replace(
        recipe,
        mix=seeded(recipe.mix),
        tokenizer=seeded(recipe.tokenizer),
        pack=seeded(recipe.pack),
        train=seeded(recipe.train),
    )


def find_contradictions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong and how to mend it) for what no single key can show."""
    for key, value in flatten(msgspec.to_builtins(recipe)).items():
        if isinstance(value, float) and not math.isfinite(value):
            yield key, f"{value} is no number to work with; give a finite one"
    names = [source.name for source in recipe.extract.sources]
    for name in {name for name in names if names.count(name) > 1}:
        yield "extract.sources", f"two sources are named {name}; give each a name of its own"
    for name in recipe.dedup.prefer:
        if names and name not in names:
            yield "dedup.prefer", f"there is no source named {name}; there are: {', '.join(names)}"
    yield from find_dedup_contradictions(recipe.dedup)
    yield from find_filter_contradictions(recipe.filter, names)
    yield from find_mix_contradictions(recipe.mix)
    yield from find_idle_caps(recipe.mix, names)
    yield from find_tokenizer_contradictions(recipe.tokenizer)
    yield from find_pack_contradictions(recipe.pack)
    yield from find_train_contradictions(recipe)
    yield from find_rows_too_long(recipe)


def find_dedup_contradictions(settings: Dedup) -> Iterator[tuple[str, str]]:
    for key in ("order", "against", "prefer"):
        values: Sequence[str] = getattr(settings, key)
        for name in dict.fromkeys(name for name in values if values.count(name) > 1):
            yield f"dedup.{key}", f"{name} stands there twice; keep one of them"
    for one, other in (("longest", "shortest"), ("newest", "oldest")):
        if {one, other} <= set(settings.order):
            yield "dedup.order", f"{one} and {other} cannot both decide; keep one of them"
    if settings.prefer and "source" not in settings.order:
        yield "dedup.prefer", "counts for nothing while order leaves out `source`; add it to order"


def find_filter_contradictions(settings: Filter, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in settings.private if isinstance(settings.private, dict) else ():
        if sources and name not in sources:
            yield "filter.private", f"there is no source named {name}; there are: {', '.join(sources)}"
    allowed = {pattern.casefold() for pattern in settings.licenses.allow}
    for table, patterns in (("allow", settings.licenses.allow), ("deny", settings.licenses.deny)):
        for pattern in patterns:
            if not pattern or pattern != pattern.strip():
                yield (
                    f"filter.licenses.{table}",
                    f"{pattern!r} fits no licence; write it without space around it",
                )
            elif table == "deny" and pattern.casefold() in allowed:
                yield "filter.licenses.deny", f"{pattern!r} is in allow too, which wins; keep one of them"


def find_mix_contradictions(mix: Mix) -> Iterator[tuple[str, str]]:
    yield from find_wrong_sums("mix.domains", mix.domains, None, False)
    yield from find_wrong_sums("mix.languages", mix.languages, "mix.temperature", mix.temperature is not None)
    if mix.bytes is not None and mix.tokens is not None:
        yield "mix.tokens", "bytes and tokens are both given; keep one"
    if mix.tokens is not None and mix.tokenizer is None:
        yield "mix.tokenizer", "tokens are counted with a tokenizer; name one that exists, or give mix.bytes"


def find_wrong_sums(
    table: str, shares: dict[str, float], spread: str | None, open_ended: bool
) -> Iterator[tuple[str, str]]:
    """Shares that do not sum to 1, or to less where `spread`, a temperature, hands out the rest."""
    total = math.fsum(shares.values())
    if shares and (total > 1 + 1e-6 or (total < 1 - 1e-6 and not open_ended)):
        mend = f"the shares sum to {total:g}; make them sum to 1"
        if spread and total < 1:
            mend += f", or set {spread} to spread the rest over the languages not named"
        yield table, mend


def find_idle_caps(mix: Mix, sources: list[str]) -> Iterator[tuple[str, str]]:
    """A table of `max_epochs` that names what has no documents or no share, most often by a slip."""
    if not isinstance(mix.max_epochs, Epochs):
        return
    for name in mix.max_epochs.sources:
        if sources and name not in sources:
            known = ", ".join(sources)
            yield "mix.max_epochs.sources", f"there is no source named {name}; there are: {known}"
    languages = mix.languages if mix.temperature is None else {}
    for table, shares, caps in (
        ("domains", mix.domains, mix.max_epochs.domains),
        ("languages", languages, mix.max_epochs.languages),
    ):
        for name in caps:
            if shares and not shares.get(name):
                yield (
                    f"mix.max_epochs.{table}",
                    f"{name} has no share in mix.{table}; give it one, or leave it out",
                )


def find_tokenizer_contradictions(settings: Tokenizer) -> Iterator[tuple[str, str]]:
    yield from find_repeated_tokens(settings)
    if isinstance(settings.pattern, list):
        yield from find_wrong_patterns(settings.pattern)
    key, spread = "tokenizer.temperature", settings.temperature is not None
    yield from find_wrong_sums("tokenizer.languages", settings.languages, key, spread)
    if settings.trainer != "sentencepiece":
        if settings.model == "unigram":
            mend = 'only sentencepiece trains it; set tokenizer.trainer = "sentencepiece", or model = "bpe"'
            yield "tokenizer.model", mend
        return
    usual = Tokenizer()
    for name in ("pattern", "min_frequency", "max_token_length", "languages", "temperature"):
        if getattr(settings, name) != getattr(usual, name):
            mend = 'sentencepiece does not know it; leave it out, or set tokenizer.trainer = "dspipe"'
            yield f"tokenizer.{name}", mend


def find_wrong_patterns(patterns: list[str]) -> Iterator[tuple[str, str]]:
    from tokenizers import Regex

    if not patterns:
        yield "tokenizer.pattern", "an empty list cuts nothing, so documents were pieces; leave it out"
    for pattern in patterns:
        try:
            Regex(pattern)
        except Exception as error:  # the library raises bare Exceptions
            yield "tokenizer.pattern", f"{pattern!r} is no regular expression of tokenizers ({error})"
        if not pattern:
            yield "tokenizer.pattern", "an empty regular expression cuts everywhere; leave it out"


def find_repeated_tokens(settings: Tokenizer) -> Iterator[tuple[str, str]]:
    specials, added = settings.specials or [], settings.added or []
    for table, tokens in (("specials", specials), ("added", added)):
        for number, token in enumerate(tokens):
            if len(token) < 2:
                yield (
                    f"tokenizer.{table}",
                    f"{token!r} could be text; give it two characters or more",
                )
            if token in tokens[:number] or (table == "added" and token in specials):
                yield f"tokenizer.{table}", f"{token!r} is there twice; keep one of them"
    if settings.vocab_size < len(specials) + 256:
        mend = f"the special tokens and 256 bytes are {len(specials) + 256} already; raise it"
        yield "tokenizer.vocab_size", mend


def find_pack_contradictions(settings: Pack) -> Iterator[tuple[str, str]]:
    shortest = min(packed_lengths(settings), default=16)
    if 2 * settings.overlap > shortest:
        yield "pack.overlap", f"it may be half of a row of {shortest} tokens at most"
    for key in ("overlap", "max_documents"):
        if settings.mode == "concatenate" and getattr(settings, key):
            yield f"pack.{key}", 'it goes with pack.mode = "best-fit"; leave one of the two out'
    marks = msgspec.to_builtins(settings.marks)
    sentinels = {key: name for key, name in marks.items() if key.startswith("fim_")}
    for key, name in sentinels.items():
        if list(marks.values()).count(name) > 1:
            yield f"pack.marks.{key}", f"{name} is another mark, too; give each its own token"
    if settings.window < max(packed_lengths(settings), default=0):
        yield "pack.window", "it must hold a row; give at least pack.sequence_length"


def find_train_contradictions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    model = recipe.train.model
    lengths = packed_lengths(recipe.pack)
    if len(set(lengths)) != len(lengths) or not lengths:
        yield "pack.sequence_length", "give each length once"
    if min(lengths, default=16) < 16:
        yield "pack.sequence_length", f"{min(lengths)} is too short; give at least 16"
    yield from find_wrong_schedules(recipe, lengths)
    if model.rope_width % 2:
        yield "train.model.rope_width", f"{model.rope_width} is odd; rotary parts come in pairs"
    if model.width % model.heads:  # transformers divides them, though nothing in the network does
        yield (
            "train.model.width",
            f"{model.width} is no multiple of {model.heads} heads, so nobody could load it",
        )
    if model.yarn is not None and model.yarn.beta_fast <= model.yarn.beta_slow:
        yield "train.model.yarn.beta_fast", "it must be more than beta_slow: pairs that turn so often stay"
    if model.rope_theta <= 1.0:
        yield (
            "train.model.rope_theta",
            f"{model.rope_theta:g} turns no pair slower than another; give more than 1",
        )
    if model.chosen_groups < model.groups == model.experts:  # a group's score is that of its two best
        yield "train.model.groups", "with one expert in each, nobody else could load it; give fewer groups"
    if model.dense_layers > model.layers:
        yield "train.model.dense_layers", f"{model.dense_layers} is more than the {model.layers} layers"
    if model.experts % model.groups:
        yield "train.model.groups", f"{model.experts} experts do not divide into {model.groups} groups"
    elif model.chosen_groups > model.groups:
        yield "train.model.chosen_groups", f"{model.chosen_groups} is more than the {model.groups} groups"
    elif model.chosen_experts > model.experts // model.groups * model.chosen_groups:
        yield "train.model.chosen_experts", f"{model.chosen_experts} is more than the chosen groups hold"
    yield from find_balance_contradictions(recipe.train)


def find_balance_contradictions(train: Train) -> Iterator[tuple[str, str]]:
    mode = resolve_balance(train).mode
    if mode == "bias" and train.model.gate == "softmax":
        mend = 'a softmax gate has no biases; take "auxiliary", or train.model.gate = "sigmoid"'
        yield "train.balance", mend
    for key in ("device_balance_weight", "communication_balance_weight"):
        if not getattr(train, key):
            continue
        if mode != "auxiliary":
            yield (
                f"train.{key}",
                f'counts for nothing with balance = "{mode}"; leave it out, or take auxiliary',
            )
        elif train.model.groups == 1:
            yield f"train.{key}", "counts for nothing with one group; leave it out, or set train.model.groups"


def find_wrong_schedules(recipe: Recipe, packed: list[int]) -> Iterator[tuple[str, str]]:
    """Lists of [tokens, value] that leave open what a step is, or ask for what there is not."""
    train = recipe.train
    if train.schedule != "constant" and train.tokens is None:
        yield "train.tokens", f'schedule = "{train.schedule}" is stretched over a number of tokens; give it'
    for key in SCHEDULED:
        schedule = getattr(train, key)
        starts = [entry[0] for entry in schedule] if isinstance(schedule, list) else [0]
        if not starts:
            yield f"train.{key}", "an empty list says nothing; give [[0, value], …] or a number"
        elif starts[0] != 0:
            yield f"train.{key}", f"the first entry is from {starts[0]} tokens on; begin with [0, value]"
        elif starts != sorted(set(starts)):
            yield f"train.{key}", "the tokens of its entries must ascend; put them in order, each once"
        elif not all(math.isfinite(value) for value in list_values(schedule)):
            yield f"train.{key}", "one of its values is no number to work with; give finite ones"
        elif list_shapes(schedule)[-1] is not None:
            yield f"train.{key}", "there is no entry for the last one to move to; add one, or drop its shape"
    for length in list_values(train.sequence_length):
        if "sequences" not in recipe.use and length not in packed:
            yield "train.sequence_length", f"{length} is not packed; add it to pack.sequence_length"
    moving = train.schedule.startswith("deepseek") or any(list_shapes(train.batch_size))
    for size in list_values(train.batch_size):  # one that moves has sizes that nothing divides
        if train.micro_batch is not None and size % train.micro_batch and not moving:
            yield "train.micro_batch", f"{train.micro_batch} does not divide batch_size {size}"


def find_rows_too_long(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Rows beyond what YaRN reaches; without it they may be of any length."""
    train, yarn = recipe.train, recipe.train.model.yarn
    asked = list_values(train.sequence_length)
    if not asked and "sequences" not in recipe.use:
        asked = packed_lengths(recipe.pack)[:1]
    longest = max(asked, default=0)
    if yarn is not None and longest > yarn.factor * yarn.original_length:
        reach = f"train.model.yarn.factor x original_length = {yarn.factor * yarn.original_length:g}"
        yield (
            "train.sequence_length",
            f"{longest} is more than {reach}; raise yarn.factor, or take shorter rows",
        )


def list_values(schedule: Any) -> list[Any]:
    """The values that a setting names for the course of a training."""
    if isinstance(schedule, list):
        return [entry[1] for entry in schedule]
    return [] if schedule is None else [schedule]


def list_shapes(schedule: Any) -> list[str | None]:
    """How each entry moves to the next; lengths of rows do not."""
    return (
        [entry[2] if len(entry) > 2 else None for entry in schedule] if isinstance(schedule, list) else [None]
    )


def explain(error: msgspec.ValidationError) -> str:
    """Turn msgspec's message into "key: what is wrong; mend"."""
    message, _, place = str(error).partition(" - at `")
    key = re.sub(r"^\$\.?", "", place.rstrip("`")) or "recipe"
    if unknown := re.search(r"unknown field `(.+)`", message):
        table = key if key != "recipe" else ""
        return f"{join(table, unknown[1])}: {suggest(table, unknown[1])}"
    if missing := re.search(r"missing required field `(.+)`", message):
        return f"{join('' if key == 'recipe' else key, missing[1])}: must be given"
    if "enum value" in message:
        value = message.split("value ")[1].replace("`", "")
        return f"{key}: {value} is not one of: {', '.join(allowed_values(key))}"
    message = message.replace("`", "").replace(" | null", "")  # which TOML does not have
    return f"{key}: {message[0].lower()}{message[1:]}; see recipes/README.md"


def suggest(table: str, name: str) -> str:
    """Say that there is no such key, and which one may have been meant."""
    known = [field.name for field in msgspec.structs.fields(table_type(table))]
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
    return f"there is no such key; {hint}"


def table_type(dotted: str) -> type[Struct]:
    """The class of the table that a dotted key names, e.g. `extract.sources[0]` → `Source`."""
    kind: Any = Recipe
    for key in re.sub(r"\[[^\]]*\]", "", dotted).split(".") if dotted else []:
        kind = find_table(get_type_hints(kind)[key])
    return cast(type[Struct], kind)


def find_table(kind: Any) -> type[Struct] | None:
    """The table that a key holds, alone, in a list, by name, or as one of several things it may be."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    return next((table for part in get_args(kind) if (table := find_table(part))), None)


def allowed_values(dotted: str) -> list[str]:
    """The words that a key may hold, from its `Literal`."""
    table, _, key = re.sub(r"\[[^\]]*\]", "", dotted).rpartition(".")
    words: list[str] = []
    stack: list[Any] = [get_type_hints(table_type(table)).get(key)]
    while stack:
        kind = stack.pop()
        if get_origin(kind) is Literal:
            words += [str(word) for word in get_args(kind) if str(word) not in words]
        elif hasattr(kind, "_fields"):  # an entry of a list
            stack += get_type_hints(kind).values()
        else:
            stack += get_args(kind)
    return words
