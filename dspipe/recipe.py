"""Every setting there is: turns a TOML recipe and `--set` options into one frozen, checked `Recipe`.

One table of the file is one stage. Everything is checked before any work starts, and every refusal is one
line that names the file, the key and the mend. This module imports no array library, so that `--help` stays
fast. `python -m dspipe.recipe` prints the page `recipes/README.md`.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType


class DspipeError(Exception):
    """Work failed; the message is one sentence that says what to do. Exit code 1."""

    exit_code = 1


class RecipeError(DspipeError):
    """The recipe or the command line is wrong; the message names file, key and mend. Exit code 2."""

    exit_code = 2


Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Natural = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0.0)]
Format = Literal["warc", "wet", "jsonl", "parquet", "text"]
RuleSet = Literal["none", "gopher", "c4", "fineweb", "code", "math"]
Preset = Literal["smoke", "50m", "1b", "16b", "236b", "671b"]

NON_NATURAL = ("code", "math")  # every other domain is natural language


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the recipe: immutable, and a key that is not in it is an error."""


class Source(Table, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$", description="becomes the column `source`")]
    path: Annotated[str, Meta(description="a file, a glob (`*`, `**`), or any address that fsspec opens")]
    format: Annotated[Format | None, Meta(description="from the file name when absent")] = None
    domain: Annotated[
        str | None, Meta(description="`web`, `code`, `math`, …; found by `filter` when absent")
    ] = None
    text: Annotated[str, Meta(description="column that holds the text (jsonl, parquet)")] = "text"


class Extract(Table, frozen=True):
    sources: Annotated[list[Source], Meta(description="where text comes from, in order")] = []
    max_characters: Annotated[Count, Meta(description="a longer text is dropped as `too-large`")] = 10_000_000


class Filter(Table, frozen=True):
    languages: Annotated[
        list[str] | None,
        Meta(description="languages kept, in natural-language domains (not code, not math); absent: all"),
    ] = None
    rules: Annotated[
        RuleSet | dict[str, RuleSet],
        Meta(
            description="quality rules: one set for the natural-language domains (code and math then keep "
            "the sets of their own names, but for `none`, which drops nothing at all), or a table "
            "domain = set, where domains not named get `none`"
        ),
    ] = "gopher"
    language_characters: Annotated[
        Count, Meta(description="how many characters at the start of a document decide its language")
    ] = 500


class Dedup(Table, frozen=True):
    similarity: Annotated[
        float, Meta(gt=0.0, le=1.0, description="Jaccard of shingle sets at which a verified copy is removed")
    ] = 0.8
    bands: Annotated[
        int, Meta(ge=1, le=256, description="MinHash bands: more bands find more candidates")
    ] = 20
    rows: Annotated[int, Meta(ge=1, le=64, description="MinHash rows in a band: more rows find fewer")] = 5
    shingle: Annotated[int, Meta(ge=1, le=64, description="words in a shingle")] = 5
    prefer: Annotated[
        list[str],
        Meta(description="sources whose copy survives, best first; then the longer, then the smaller id"),
    ] = []


class Mix(Table, frozen=True):
    bytes: Annotated[
        Count | None,
        Meta(description="size of the mixture in bytes of text; absent: all that the shares allow"),
    ] = None
    tokens: Annotated[
        Count | None, Meta(description="the same in tokens of `tokenizer`, instead of `bytes`")
    ] = None
    tokenizer: Annotated[
        str | None, Meta(description="folder or file of an existing tokenizer, to count `tokens` with")
    ] = None
    max_epochs: Annotated[float, Meta(gt=0.0, description="how often a document may be repeated")] = 1.0
    temperature: Annotated[
        Positive | None,
        Meta(description="spreads what named languages leave over the others, by available^(1/temperature)"),
    ] = None
    domains: Annotated[dict[str, Share], Meta(description="share of each domain; absent: as available")] = {}
    languages: Annotated[
        dict[str, Share],
        Meta(description="share of each language within natural language; absent: as available"),
    ] = {}
    seed: Annotated[int | None, Meta(description="of the draws and the order; absent: the recipe's")] = None


class Tokenizer(Table, frozen=True):
    vocab_size: Annotated[
        int,
        Meta(ge=259, le=2_000_000, description="special tokens + 256 bytes + merges; added tokens follow"),
    ] = 128_000
    min_frequency: Annotated[int, Meta(ge=0, description="a pair seen less often is never merged")] = 0
    placeholders: Annotated[
        Natural | None,
        Meta(
            description="reserved tokens before the sentinels; absent: 800 at 128,000 (DeepSeek-V3), else 0"
        ),
    ] = None


class Pack(Table, frozen=True):
    sequence_length: Annotated[
        Count | list[Count],
        Meta(description="tokens in a row, or several lengths, each packed into a folder"),
    ] = 4096
    fim_rate: Annotated[Share, Meta(description="share of documents turned to fill-in-the-middle (PSM)")] = (
        0.1
    )
    seed: Annotated[
        int | None, Meta(description="of fill-in-the-middle and row order; absent: the recipe's")
    ] = None


class Model(Table, frozen=True):
    """The network's shape. The defaults are the preset `smoke`; a preset replaces them, a key replaces it."""

    preset: Annotated[
        Preset, Meta(description="`smoke 50m 1b 16b 236b 671b`; every other key overrides it")
    ] = "smoke"
    width: Annotated[Count, Meta(description="D, of the residual stream")] = 128
    layers: Annotated[Count, Meta(description="transformer blocks")] = 4
    dense_layers: Annotated[int, Meta(ge=0, description="how many of the first blocks have a dense MLP")] = 1
    heads: Annotated[Count, Meta(description="attention heads")] = 4
    query_rank: Annotated[Count | None, Meta(description="rank of the query latent; 0 in a recipe: none")] = (
        64
    )
    key_value_rank: Annotated[Count, Meta(description="rank of the key/value latent")] = 32
    head_width: Annotated[Count, Meta(description="width of a head without position")] = 32
    rope_width: Annotated[Count, Meta(description="width of a head's rotary part, even")] = 16
    value_width: Annotated[Count, Meta(description="width of a head's values")] = 32
    dense_width: Annotated[Count, Meta(description="hidden width of the dense MLP")] = 384
    expert_width: Annotated[Count, Meta(description="F, hidden width of one expert")] = 96
    experts: Annotated[Count, Meta(description="E, routed experts")] = 16
    shared_experts: Annotated[int, Meta(ge=0, description="experts every token goes through")] = 1
    chosen_experts: Annotated[Count, Meta(description="K, routed experts a token goes through")] = 4
    groups: Annotated[Count, Meta(description="groups the experts are divided into")] = 1
    chosen_groups: Annotated[Count, Meta(description="groups a token may choose experts from")] = 1
    gate: Annotated[
        Literal["sigmoid", "softmax"], Meta(description="affinity: V3's sigmoid, V2's softmax")
    ] = "sigmoid"
    gate_scale: Annotated[float, Meta(gt=0.0, description="factor on the routed experts' gates")] = 2.5
    mtp_depth: Annotated[int, Meta(ge=0, description="multi-token-prediction modules")] = 1
    rope_theta: Annotated[float, Meta(gt=0.0, description="base of the rotary frequencies")] = 10_000.0
    norm_epsilon: Annotated[float, Meta(gt=0.0, description="of every RMSNorm")] = 1e-6
    initial_deviation: Annotated[float, Meta(gt=0.0, description="standard deviation of initial weights")] = (
        0.006
    )


class Fp8(Table, frozen=True):
    mode: Annotated[
        Literal["off", "auto"],
        Meta(
            description="`auto` takes FP8 where this version and machine have it; this version has none yet"
        ),
    ] = "auto"


class Train(Table, frozen=True):
    steps: Annotated[
        Count, Meta(description="optimizer steps in all; raising it continues a finished run")
    ] = 200
    batch_size: Annotated[Count, Meta(description="rows in a step")] = 16
    micro_batch: Annotated[Count | None, Meta(description="rows at a time; absent: the whole batch")] = None
    sequence_length: Annotated[
        Count | None, Meta(description="which of the packed lengths to train on; absent: the first")
    ] = None
    learning_rate: Annotated[float, Meta(gt=0.0, description="after warm-up, constant")] = 2.2e-4
    warmup_steps: Annotated[int, Meta(ge=0, description="steps of linear warm-up from zero")] = 2000
    weight_decay: Annotated[float, Meta(ge=0.0, description="AdamW's, on matrices")] = 0.1
    beta1: Annotated[float, Meta(ge=0.0, lt=1.0, description="AdamW's first moment")] = 0.9
    beta2: Annotated[float, Meta(ge=0.0, lt=1.0, description="AdamW's second moment")] = 0.95
    clip_norm: Annotated[float, Meta(gt=0.0, description="largest norm of the gradient")] = 1.0
    bias_speed: Annotated[float, Meta(ge=0.0, description="γ, step of the experts' balancing bias")] = 0.001
    balance_weight: Annotated[float, Meta(ge=0.0, description="α, of the sequence-wise balance loss")] = 1e-4
    mtp_weight: Annotated[float, Meta(ge=0.0, description="λ, of the multi-token-prediction loss")] = 0.3
    checkpoint_steps: Annotated[Count, Meta(description="steps between checkpoints")] = 100
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Meta(description="of the computation; `auto`: bfloat16 on a GPU, float32 on a CPU"),
    ] = "auto"
    seed: Annotated[int | None, Meta(description="of weights and row order; absent: the recipe's")] = None
    model: Annotated[Model, Meta(description="the network")] = Model()
    fp8: Annotated[Fp8, Meta(description="8-bit training")] = Fp8()


class Export(Table, frozen=True):
    dtype: Annotated[Literal["bfloat16", "float32"], Meta(description="of the exported weights")] = "bfloat16"


class Recipe(Table, frozen=True):
    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="the run's folder: `shards/<name>`")
    ]
    seed: Annotated[int, Meta(description="of every draw")] = 1
    use: Annotated[
        dict[str, str], Meta(description="artifact = folder of another run, taken instead of made")
    ] = {}
    extract: Annotated[Extract, Meta(description="read the sources")] = Extract()
    filter: Annotated[Filter, Meta(description="language, domain, quality")] = Filter()
    dedup: Annotated[Dedup, Meta(description="exact and near copies")] = Dedup()
    mix: Annotated[Mix, Meta(description="shares of domains and languages")] = Mix()
    tokenizer: Annotated[Tokenizer, Meta(description="byte-level BPE")] = Tokenizer()
    pack: Annotated[Pack, Meta(description="rows of tokens")] = Pack()
    train: Annotated[Train, Meta(description="pretraining")] = Train()
    export: Annotated[Export, Meta(description="a checkpoint that others load")] = Export()


# Sources: DeepSeek-V3 report 4.2 (671b), DeepSeek-V2 report 3.1.2 (236b) and appendix B (16b). 50m and 1b are
# ours.
PRESETS: dict[str, dict[str, Any]] = {
    "smoke": {},
    "50m": dict(
        width=384, layers=8, heads=6, query_rank=192, key_value_rank=128, head_width=64, rope_width=32,
        value_width=64, dense_width=1152, expert_width=192, experts=32, chosen_experts=4,
    ),
    "1b": dict(
        width=1024, layers=14, heads=8, query_rank=512, key_value_rank=256, head_width=128, rope_width=64,
        value_width=128, dense_width=3072, expert_width=384, experts=64, chosen_experts=6,
    ),
    "16b": dict(
        width=2048, layers=27, heads=16, query_rank=None, key_value_rank=512, head_width=128, rope_width=64,
        value_width=128, dense_width=10944, expert_width=1408, experts=64, shared_experts=2, chosen_experts=6,
        gate="softmax", gate_scale=1.0, mtp_depth=0,
    ),
    "236b": dict(
        width=5120, layers=60, heads=128, query_rank=1536, key_value_rank=512, head_width=128, rope_width=64,
        value_width=128, dense_width=12288, expert_width=1536, experts=160, shared_experts=2,
        chosen_experts=6, groups=8, chosen_groups=3, gate="softmax", gate_scale=16.0, mtp_depth=0,
    ),
    "671b": dict(
        width=7168, layers=61, dense_layers=3, heads=128, query_rank=1536, key_value_rank=512, head_width=128,
        rope_width=64, value_width=128, dense_width=18432, expert_width=2048, experts=256, chosen_experts=8,
        groups=8, chosen_groups=4,
    ),
}  # fmt: skip


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise RecipeError(f"{path}: not a readable TOML file: {error}") from None
    for assignment in assignments:
        apply_assignment(raw, assignment)
    return check_recipe(raw, str(path))


def check_recipe(raw: dict[str, Any], file: str) -> Recipe:
    """Turn parsed TOML into a `Recipe` with presets and seeds filled in, or raise `RecipeError`."""
    expand_preset(raw)
    try:
        recipe = msgspec.convert(raw, Recipe)
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


def expand_preset(raw: dict[str, Any]) -> None:
    """Lay the named preset under the keys of `[train.model]`; 0 is TOML's way to say: no query latent."""
    train = raw.get("train")
    if not isinstance(train, dict) or not isinstance(model := train.get("model"), dict):
        return
    if model.get("query_rank") == 0:
        model["query_rank"] = None
    train["model"] = {**PRESETS.get(str(model.get("preset", "smoke")), {}), **model}


def fill_seeds(recipe: Recipe) -> Recipe:
    """Hand the recipe's seed to the stages that draw, so that each stage sees its own table alone."""

    def seeded(table: Any) -> Any:
        return msgspec.structs.replace(table, seed=recipe.seed) if table.seed is None else table

    return msgspec.structs.replace(
        recipe, mix=seeded(recipe.mix), pack=seeded(recipe.pack), train=seeded(recipe.train)
    )


def find_contradictions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong and how to mend it) for what no single key can show."""
    names = [source.name for source in recipe.extract.sources]
    for name in {name for name in names if names.count(name) > 1}:
        yield "extract.sources", f"two sources are named {name}; give each a name of its own"
    for name in recipe.dedup.prefer:
        if names and name not in names:
            yield "dedup.prefer", f"there is no source named {name}; there are: {', '.join(names)}"
    yield from find_mix_contradictions(recipe.mix)
    yield from find_train_contradictions(recipe)


def find_mix_contradictions(mix: Mix) -> Iterator[tuple[str, str]]:
    for table, shares, open_ended in (
        ("mix.domains", mix.domains, False),
        ("mix.languages", mix.languages, mix.temperature is not None),
    ):
        total = math.fsum(shares.values())
        if shares and (total > 1 + 1e-6 or (total < 1 - 1e-6 and not open_ended)):
            mend = f"the shares sum to {total:g}; make them sum to 1"
            if table == "mix.languages" and total < 1:
                mend += ", or set mix.temperature to spread the rest over the languages not named"
            yield table, mend
    if mix.bytes is not None and mix.tokens is not None:
        yield "mix.tokens", "bytes and tokens are both given; keep one"
    if mix.tokens is not None and mix.tokenizer is None:
        yield "mix.tokenizer", "tokens are counted with a tokenizer; name one that exists, or give mix.bytes"


def find_train_contradictions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    train, model = recipe.train, recipe.train.model
    lengths = packed_lengths(recipe.pack)
    if len(set(lengths)) != len(lengths) or not lengths:
        yield "pack.sequence_length", "give each length once"
    if min(lengths, default=16) < 16:
        yield "pack.sequence_length", f"{min(lengths)} is too short; give at least 16"
    if (
        train.sequence_length is not None
        and "sequences" not in recipe.use
        and train.sequence_length not in lengths
    ):
        yield (
            "train.sequence_length",
            f"{train.sequence_length} is not packed; add it to pack.sequence_length",
        )
    if model.rope_width % 2:
        yield "train.model.rope_width", f"{model.rope_width} is odd; rotary parts come in pairs"
    if model.dense_layers > model.layers:
        yield "train.model.dense_layers", f"{model.dense_layers} is more than the {model.layers} layers"
    if model.experts % model.groups:
        yield "train.model.groups", f"{model.experts} experts do not divide into {model.groups} groups"
    elif model.chosen_groups > model.groups:
        yield "train.model.chosen_groups", f"{model.chosen_groups} is more than the {model.groups} groups"
    elif model.chosen_experts > model.experts // model.groups * model.chosen_groups:
        yield "train.model.chosen_experts", f"{model.chosen_experts} is more than the chosen groups hold"
    if train.micro_batch is not None and train.batch_size % train.micro_batch:
        yield "train.micro_batch", f"{train.micro_batch} does not divide batch_size {train.batch_size}"


def packed_lengths(pack: Pack) -> list[int]:
    """The row lengths to pack, as a list whether the recipe names one or several."""
    return pack.sequence_length if isinstance(pack.sequence_length, list) else [pack.sequence_length]


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
    return f"{key}: {message[0].lower()}{message[1:].replace('`', '')}; see recipes/README.md"


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
        hints = get_type_hints(kind)
        kind = hints[key]
        while get_origin(kind) is not None:
            kind = get_args(kind)[0]
    return cast(type[Struct], kind)


def allowed_values(dotted: str) -> list[str]:
    """The words that a key may hold, from its `Literal`."""
    table, _, key = re.sub(r"\[[^\]]*\]", "", dotted).rpartition(".")
    words: list[str] = []
    stack: list[Any] = [get_type_hints(table_type(table)).get(key)]
    while stack:
        kind = stack.pop()
        if get_origin(kind) is Literal:
            words += [str(word) for word in get_args(kind) if str(word) not in words]
        else:
            stack += get_args(kind)
    return words


def join(*keys: str) -> str:
    return ".".join(key for key in keys if key)


def flatten(value: Any, key: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} → {"a.b": 1}; lists of tables are numbered. Used to show which settings differ."""
    if isinstance(value, Mapping) and value:
        items: Any = value.items()
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        items = enumerate(value)
    else:
        return {key: value}
    return {k: v for name, item in items for k, v in flatten(item, join(key, str(name))).items()}


def describe_keys() -> str:
    """The page `recipes/README.md`: every key with its default and meaning."""
    lines = [README_HEAD]
    for heading, kind in walk_tables():
        lines += [f"\n## {heading}\n", "| key | default | meaning |", "|---|---|---|"]
        for field in msgspec.structs.fields(kind):
            if is_table(field.type):
                continue
            lines.append(f"| `{field.name}` | {show_default(field)} | {describe(field.type)} |")
    lines.append("\n## Presets of `[train.model]`\n")
    lines += [f"- `{name}`: {show_preset(values)}" for name, values in PRESETS.items()]
    return "\n".join(lines) + "\n"


README_HEAD = """# Every key of a recipe

One file is one run, one table is one stage. A key that is not listed here is refused. Any key can be given on
the command line: `--set stage.key=value`, for a source `--set extract.sources.NAME.path=...`.
This page is printed by `python -m dspipe.recipe`; a test holds it to the code."""


def walk_tables() -> Iterator[tuple[str, type[Struct]]]:
    yield "Top level", Recipe
    for field in msgspec.structs.fields(Recipe):
        if is_table(field.type):
            yield f"`[{field.name}]`", table_type(field.name)
            for inner in msgspec.structs.fields(table_type(field.name)):
                dotted = f"{field.name}.{inner.name}"
                if is_table(inner.type):
                    yield f"`[{dotted}]`", table_type(dotted)
                elif dotted == "extract.sources":
                    yield "`[[extract.sources]]`", Source


def is_table(kind: Any) -> bool:
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return isinstance(inner, type) and issubclass(inner, Table)


def describe(kind: Any) -> str:
    notes = [note.description for note in getattr(kind, "__metadata__", ()) if isinstance(note, Meta)]
    return next((note for note in notes if note), "")


def show_default(field: Any) -> str:
    default: Any = field.default
    if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    if default is msgspec.NODEFAULT or isinstance(default, UnsetType) or default is UNSET:
        return "must be given"
    return "" if default is None or default == [] or default == {} else f"`{default}`"


def show_preset(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "the defaults above"


if __name__ == "__main__":
    print(describe_keys(), end="")
