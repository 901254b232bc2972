"""Every setting there is, as frozen structs: a recipe's tables, their keys, defaults, bounds and meanings.

One table of a recipe is one stage. This module imports no array library, so that `--help` stays fast.
`reading.py` makes a `Recipe` of a file; `keys.py` prints all keys as the page `recipes/README.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct, field


class DspipeError(Exception):
    """Work failed; the message is one sentence that says what to do. Exit code 1."""

    exit_code = 1


class RecipeError(DspipeError):
    """The recipe or the command line is wrong; the message names file, key and mend. Exit code 2."""

    exit_code = 2


Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Natural = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Weight = Annotated[float, Meta(ge=0.0)]
RowLength = Annotated[int, Meta(ge=1, le=1 << 24)]
BatchSize = Annotated[int, Meta(ge=1, le=1 << 24)]
Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]
Format = Literal["warc", "wet", "wat", "arc", "jsonl", "csv", "parquet", "arrow", "text"]
Profile = Literal["main", "full", "careful"]
RuleSet = Literal["none", "gopher", "c4", "fineweb", "code", "math"]
Private = Literal["email", "ip", "phone", "secret"]
Preference = Literal["source", "quality", "longest", "shortest", "newest", "oldest"]
Pattern = Literal["deepseek-v3", "deepseek-llm", "cl100k", "llama-3", "gpt-2", "qwen-2", "o200k"]
Preset = Literal["smoke", "50m", "1b", "16b", "236b", "671b"]

BEGIN = "<｜begin▁of▁sentence｜>"
END = "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
FIM_HOLE = "<｜fim▁hole｜>"
FIM_BEGIN = "<｜fim▁begin｜>"
FIM_END = "<｜fim▁end｜>"

PREFERENCES: tuple[Preference, ...] = ("source", "quality", "longest", "newest")
NON_NATURAL = ("code", "math")  # every other domain is natural language


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the recipe: immutable, and a key that is not in it is an error."""


class Columns(Table, frozen=True):
    text: Annotated[str, Meta(description="the text; must be there")] = "text"
    id: Annotated[str, Meta(description="becomes `source_id`")] = "id"
    url: Annotated[str, Meta(description="where the text comes from")] = "url"
    title: Annotated[str, Meta(description="of the document")] = "title"
    date: Annotated[str, Meta(description="of the document")] = "date"
    license: Annotated[str, Meta(description="of the document")] = "license"
    language: Annotated[str, Meta(description="a code of two or three letters")] = "language"
    quality: Annotated[str, Meta(description="a number, the larger the better; becomes `quality`")] = (
        "quality"
    )


class Source(Table, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+\Z", description="becomes the column `source`")]
    path: Annotated[
        str,
        Meta(
            description="a file, a glob (`*`, `**`), any address that fsspec opens, or "
            "`cc://CRAWL?kind=warc&files=0-99` for a part of Common Crawl"
        ),
    ]
    format: Annotated[Format | None, Meta(description="from the file name when absent")] = None
    domain: Annotated[
        str | None, Meta(description="`web`, `code`, `math`, …; found by `filter` when absent")
    ] = None
    columns: Annotated[Columns, Meta(description="names of the columns (jsonl, csv, parquet, arrow)")] = (
        Columns()
    )


class Extract(Table, frozen=True):
    sources: Annotated[list[Source], Meta(description="where text comes from, in order")] = []
    profile: Annotated[
        Profile,
        Meta(
            description="of a page: `main` content, the `full` text, or `careful`: main content as "
            "trafilatura finds it, forty times slower (`pip install 'dspipe[careful]'`)"
        ),
    ] = "main"
    comments: Annotated[bool, Meta(description="keep what readers of a page have written below it")] = False
    links: Annotated[bool, Meta(description="write the addresses of links behind their text")] = False
    alt_text: Annotated[bool, Meta(description="write what describes an image (not with `careful`)")] = False
    same_url: Annotated[
        Literal["all", "newest", "longest"],
        Meta(
            description="which to keep of documents of one source with the same URL; dates are compared as "
            "text, which is right for ISO 8601 in UTC, as crawls have it"
        ),
    ] = "all"
    max_characters: Annotated[Count, Meta(description="a longer text is dropped as `too-large`")] = 10_000_000
    max_page_bytes: Annotated[Count, Meta(description="a longer page is dropped as `too-large`")] = 16 << 20
    retries: Annotated[
        Natural, Meta(description="how often a failing server is asked again, each time after a longer wait")
    ] = 8
    connections: Annotated[Count, Meta(description="files read at once from one server")] = 16
    common_crawl: Annotated[str, Meta(description="where `cc://` addresses begin")] = (
        "https://data.commoncrawl.org/"
    )


class Bound(Table, frozen=True):
    minimum: Annotated[float | None, Meta(description="what is below is rejected")] = None
    maximum: Annotated[float | None, Meta(description="what is above is rejected")] = None


class Threshold(Bound, frozen=True):
    """Changes to a rule that exists, or a rule of the recipe's own, which names its `column`."""

    languages: Annotated[
        dict[str, Bound], Meta(description="other bounds for documents in these languages")
    ] = {}
    off: Annotated[bool, Meta(description="nothing is rejected by this rule")] = False
    column: Annotated[str | None, Meta(description="of a rule of your own: a column of `signals`")] = None
    domains: Annotated[
        list[str] | None,
        Meta(description="of a rule of your own: where it holds; absent: in natural-language domains"),
    ] = None


class Licenses(Table, frozen=True):
    """Judged as robots.txt judges paths: the longest pattern that fits decides, `allow` on a tie."""

    allow: Annotated[
        list[str],
        Meta(
            description="patterns of licences that stay, for the whole licence in any case of letters, with "
            "`*` for any text and `?` for one character; given alone: no others stay"
        ),
    ] = []
    deny: Annotated[
        list[str],
        Meta(
            description="patterns of licences that go; the longest pattern that fits decides, `allow` if two "
            "are as long; a document without a licence has `unknown`"
        ),
    ] = []


def list_private() -> list[Private]:
    return ["email", "ip", "secret"]


class Filter(Table, frozen=True):
    languages: Annotated[
        list[str] | None,
        Meta(description="languages kept, in natural-language domains (not code, not math); absent: all"),
    ] = None
    rules: Annotated[
        RuleSet | list[RuleSet] | dict[str, RuleSet | list[RuleSet]],
        Meta(
            description="quality rules: one set, or several, for the natural-language domains (code and math "
            "then keep the sets of their own names, but for `none`, which drops nothing at all), or a table "
            "domain = set, where domains not named get `none`"
        ),
    ] = "gopher"
    thresholds: Annotated[
        dict[str, Threshold],
        Meta(description="by a rule's name: other bounds for it; by any other name: a rule of your own"),
    ] = {}
    licenses: Annotated[Licenses, Meta(description="which licences stay, by the column `license`")] = (
        Licenses()
    )
    blocklist: Annotated[
        str | None,
        Meta(
            description="a file with one entry a line: a host (`example.com`, and all below it), the "
            "beginning of a URL (`example.com/forum`) or a word in a URL (`casino`); `#` begins a comment"
        ),
    ] = None
    private: Annotated[
        list[Private] | dict[str, list[Private]],
        Meta(
            description="what is replaced by placeholders (`[EMAIL]`, `[IP]`, `[PHONE]`, `[SECRET]`): "
            "`email`, `ip` (public addresses), `phone`, `secret` (keys, tokens, passwords); for all sources, "
            "or by source, where those not named keep their texts"
        ),
    ] = field(default_factory=list_private)
    quality: Annotated[
        str | None,
        Meta(description="a column of `signals` that becomes `quality` where the source gives none"),
    ] = None
    language_characters: Annotated[
        Count, Meta(description="how many characters at the start of a document decide its language")
    ] = 500
    language_letters: Annotated[
        Natural, Meta(description="with fewer letters among them the language is `und`")
    ] = 20
    language_margin: Annotated[
        NotNegative | None,
        Meta(description="below it the language is `und`; absent: 0.5, with a fastText model 0.65"),
    ] = None
    language_lines: Annotated[
        bool,
        Meta(
            description="find the language of every line, too: `language_share` and `second_language` tell "
            "of documents in several"
        ),
    ] = False
    language_model: Annotated[
        str | None,
        Meta(
            description="path of a fastText model to ask instead of py3langid's, with the probability as "
            "margin (`pip install 'dspipe[fasttext]'`)"
        ),
    ] = None


class Lines(Table, frozen=True):
    """What repeats as the boilerplate of a host or a source goes, but for one copy."""

    by: Annotated[Literal["host", "source"], Meta(description="where a line is counted")] = "host"
    documents: Annotated[
        int, Meta(ge=2, description="in how many documents of it a line stands before it is boilerplate")
    ] = 10
    share: Annotated[Share, Meta(description="and in which share of the documents of it")] = 0.1


class Dedup(Table, frozen=True):
    similarity: Annotated[
        float, Meta(ge=0.01, le=1.0, description="at which a verified copy is removed; see `measure`")
    ] = 0.8
    measure: Annotated[
        Literal["jaccard", "containment"],
        Meta(
            description="of two sets of shingles: what they share of both together, or of the one that would "
            "go; candidates are found by `jaccard` all the same"
        ),
    ] = "jaccard"
    shingle: Annotated[int, Meta(ge=1, le=64, description="words, or characters, in a shingle")] = 5
    unit: Annotated[
        Literal["words", "characters"],
        Meta(
            description="what shingles are made of; in scripts without spaces every character is a word of "
            "its own"
        ),
    ] = "words"
    bands: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="MinHash bands: more find more candidates; absent: by `similarity`"),
    ] = None
    rows: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="MinHash rows in a band: more find fewer; absent: by `similarity`"),
    ] = None
    hashing: Annotated[
        Literal["dspipe", "datasketch"],
        Meta(description="of shingles: `datasketch` gives that library's own signatures, a few times slower"),
    ] = "dspipe"
    urls: Annotated[bool, Meta(description="documents with the same URL are copies, too")] = False
    prefer: Annotated[list[str], Meta(description="sources whose copy survives, best first")] = []
    order: Annotated[
        list[Preference],
        Meta(
            description="by what the survivor is chosen, the weightiest first; last of all by the smaller id"
        ),
    ] = field(default_factory=lambda: list(PREFERENCES))
    against: Annotated[
        list[str],
        Meta(
            description="`distinct` of earlier runs, in the order in which they were made: their documents "
            "are preferred to all new ones, and stay where they are"
        ),
    ] = []
    lines: Annotated[
        Lines | None, Meta(description="take boilerplate lines out of the documents; absent: none")
    ] = None
    substrings: Annotated[
        Annotated[int, Meta(ge=100)] | None,
        Meta(
            description="take out what repeats in so many bytes or more, but for one copy; not in code "
            "and math; absent: nothing"
        ),
    ] = None
    max_cluster: Annotated[
        Count | None, Meta(description="stop if a kept document and its copies are more documents than this")
    ] = None
    max_removed: Annotated[
        Share | None,
        Meta(
            description="stop if a larger share goes of a source, domain or language of 100 documents or more"
        ),
    ] = None


class Epochs(Table, frozen=True):
    default: Annotated[Positive, Meta(description="where nothing below says otherwise")] = 1.0
    sources: Annotated[dict[str, Positive], Meta(description="by source")] = {}
    domains: Annotated[dict[str, Positive], Meta(description="by domain")] = {}
    languages: Annotated[dict[str, Positive], Meta(description="by language, in natural language")] = {}


class Mix(Table, frozen=True):
    bytes: Annotated[
        Count | None,
        Meta(
            description="size of the mixture in bytes of text; absent: all that the shares allow in one epoch"
        ),
    ] = None
    tokens: Annotated[
        Count | None, Meta(description="the same in tokens of `tokenizer`, instead of `bytes`")
    ] = None
    tokenizer: Annotated[
        str | None, Meta(description="folder or file of an existing tokenizer, to count `tokens` with")
    ] = None
    max_epochs: Annotated[
        Positive | Epochs,
        Meta(
            description="how often a document may be drawn; as a table: `default`, and by source, domain or "
            "language, of which the least holds"
        ),
    ] = 1.0
    quality_power: Annotated[
        float,
        Meta(ge=0.0, description="draw in proportion to `quality`^power; 0: all documents of a cell alike"),
    ] = 0.0
    temperature: Annotated[
        Positive | None,
        Meta(description="spreads what named languages leave over the others, by available^(1/temperature)"),
    ] = None
    domains: Annotated[dict[str, Share], Meta(description="share of each domain; absent: as available")] = {}
    languages: Annotated[
        dict[str, Share],
        Meta(description="share of each language within natural language; absent: as available"),
    ] = {}
    seed: Annotated[Seed | None, Meta(description="of the draws and the order; absent: the recipe's")] = None


class Tokenizer(Table, frozen=True):
    vocab_size: Annotated[
        int,
        Meta(ge=259, le=2_000_000, description="special tokens + 256 bytes + merges; added tokens follow"),
    ] = 128_000
    trainer: Annotated[
        Literal["dspipe", "sentencepiece"],
        Meta(
            description="`sentencepiece` is for comparison: it learns from 100 MB of the mixture, in memory"
        ),
    ] = "dspipe"
    model: Annotated[
        Literal["bpe", "unigram"],
        Meta(description="`unigram` with `sentencepiece` alone, whose `bpe` falls back to bytes, too"),
    ] = "bpe"
    pattern: Annotated[
        Pattern | list[str],
        Meta(
            description="where text is cut before merging: as one of these does, or by regular expressions "
            "of `tokenizers`, applied one after the other"
        ),
    ] = "deepseek-v3"
    min_frequency: Annotated[int, Meta(ge=0, description="a pair seen less often is never merged")] = 0
    max_token_length: Annotated[
        Annotated[int, Meta(ge=3)] | None,
        Meta(description="as in `tokenizers`: a merge must give fewer bytes than this; absent: any number"),
    ] = None
    specials: Annotated[
        list[str] | None,
        Meta(description="tokens with the first ids; absent: DeepSeek-V3's begin, end and padding"),
    ] = None
    placeholders: Annotated[
        Annotated[int, Meta(ge=0, le=100_000)] | None,
        Meta(
            description="reserved tokens before the sentinels; absent: 800 at 128,000 (DeepSeek-V3), else 0"
        ),
    ] = None
    added: Annotated[
        list[str] | None,
        Meta(
            description="tokens behind the vocabulary and the placeholders; absent: DeepSeek-V3's sentinels "
            "and roles"
        ),
    ] = None
    languages: Annotated[
        dict[str, Share],
        Meta(
            description="train on a sample with this share of each language within natural language; absent: "
            "on the whole mixture"
        ),
    ] = {}
    temperature: Annotated[
        Positive | None,
        Meta(
            description="train on a sample in which languages that are not named have shares by "
            "bytes^(1/temperature); absent: as in the mixture"
        ),
    ] = None
    seed: Annotated[Seed | None, Meta(description="of that sample; absent: the recipe's")] = None


class Marks(Table, frozen=True):
    """Which tokens of the tokenizer mark documents; DeepSeek-V3's by default."""

    begin: Annotated[str, Meta(description="before a document, where `bos` is set")] = BEGIN
    end: Annotated[str, Meta(description="behind a document, where `eos` is set")] = END
    pad: Annotated[str, Meta(description="behind the last document of a row")] = PAD
    fim_begin: Annotated[str, Meta(description="before the prefix")] = FIM_BEGIN
    fim_hole: Annotated[str, Meta(description="between prefix and suffix")] = FIM_HOLE
    fim_end: Annotated[str, Meta(description="between suffix and middle")] = FIM_END


class Pack(Table, frozen=True):
    sequence_length: Annotated[
        RowLength | list[RowLength],
        Meta(description="tokens in a row, or several lengths, each packed into a folder"),
    ] = 4096
    mode: Annotated[
        Literal["best-fit", "concatenate"],
        Meta(
            description="`best-fit`: documents are whole wherever they fit; `concatenate`: one behind the "
            "other, cut where a row ends, for comparison"
        ),
    ] = "best-fit"
    window: Annotated[
        Count,
        Meta(description="tokens of documents that are fitted together: more leave less padding"),
    ] = 1 << 27
    max_documents: Annotated[
        Count | None, Meta(description="the most chunks of documents in a row; absent: any number")
    ] = None
    overlap: Annotated[
        Natural,
        Meta(description="tokens that a chunk repeats of the one before it, in documents longer than a row"),
    ] = 0
    bos: Annotated[bool, Meta(description="begin every document with `marks.begin`")] = False
    eos: Annotated[bool, Meta(description="end every document with `marks.end`")] = True
    fim_rate: Annotated[
        Share | dict[str, Share],
        Meta(
            description="share of documents turned to fill-in-the-middle; as a table by domain, where "
            "`default` stands for those not named, 0 without it"
        ),
    ] = 0.1
    spm_rate: Annotated[
        Share | dict[str, Share],
        Meta(
            description="share of these that have the suffix first (SPM), the others are PSM; as a number or "
            "such a table"
        ),
    ] = 0.0
    split_rate: Annotated[
        Share,
        Meta(
            description="share of tokens joining punctuation and line ends that are split in two, so that "
            "prompts which end without a line end are nothing new; never in held-out documents"
        ),
    ] = 0.1
    validation: Annotated[
        Share,
        Meta(
            description="share of documents held out from training, with all their repeats; they go to rows "
            "of their own, each of one domain and language"
        ),
    ] = 0.005
    marks: Annotated[Marks, Meta(description="the tokenizer's own tokens")] = Marks()
    seed: Annotated[
        Seed | None,
        Meta(description="of fill-in-the-middle, splits and the order of rows; absent: the recipe's"),
    ] = None


class Yarn(Table, frozen=True):
    """YaRN: rotary frequencies and softmax scale for rows longer than those trained on so far."""

    factor: Annotated[float, Meta(ge=1.0, description="s, how many times longer")] = 40.0
    original_length: Annotated[Count, Meta(description="of the rows that were trained on before")] = 4096
    beta_fast: Annotated[
        float,
        Meta(gt=0.0, description="β, turns within the original length from which a pair stays as it is"),
    ] = 32.0
    beta_slow: Annotated[
        float, Meta(gt=0.0, description="α, turns below which a pair is slowed down by the whole factor")
    ] = 1.0
    mscale: Annotated[
        float, Meta(ge=0.0, description="m of √t = 0.1 m ln s + 1: 1 in V3, 0.707 in V2; t scales scores")
    ] = 1.0


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
    mtp_input: Annotated[
        Literal["block", "norm"],
        Meta(
            description="what the first module receives of the main model: the output of its last block, or "
            "that after the final norm"
        ),
    ] = "block"
    rope_theta: Annotated[float, Meta(gt=0.0, description="base of the rotary frequencies")] = 10_000.0
    yarn: Annotated[
        Yarn | None,
        Meta(
            description="YaRN, in force from the first step on whose rows are longer than its "
            "original_length; absent: none"
        ),
    ] = None
    norm_epsilon: Annotated[float, Meta(gt=0.0, description="of every RMSNorm")] = 1e-6
    initial_deviation: Annotated[float, Meta(gt=0.0, description="standard deviation of initial weights")] = (
        0.03
    )


Width = Literal["fp8", "bf16"]


class Fp8(Table, frozen=True):
    mode: Annotated[
        Literal["off", "emulate", "on", "auto"],
        Meta(
            description="`on`: by a GPU's 8-bit units; `emulate`: the same codes on any machine, multiplied "
            "in float32; `auto`: each product as it is faster here, measured at the start; `off`: none"
        ),
    ] = "auto"
    fprop: Annotated[
        Width, Meta(description="outputs of products with weights; `bf16`: as without FP8, here and below")
    ] = "fp8"
    dgrad: Annotated[Width, Meta(description="gradients by their inputs")] = "fp8"
    wgrad: Annotated[Width, Meta(description="gradients by their weights")] = "fp8"
    scales: Annotated[
        Literal["report", "float32", "power"],
        Meta(
            description="of tiles; `power`: powers of two; `report`: those for the output of attention and "
            "for what goes to experts, float32 else"
        ),
    ] = "report"
    inputs: Annotated[
        Width | None,
        Meta(
            description="how inputs of products are kept for the backward pass, and so how wgrad finds them; "
            'absent: `fp8`, but `bf16` with `auto` or `wgrad = "bf16"`'
        ),
    ] = None
    attention: Annotated[
        Literal["e5m6", "bf16"] | None,
        Meta(
            description="how the output of attention is kept for the backward pass, in 12 bits or 16; "
            "absent: `e5m6`, but `bf16` with `auto`"
        ),
    ] = None
    activations: Annotated[
        Width | None,
        Meta(
            description="how inputs of SwiGLU are kept for the backward pass, with `fp8` its outputs are "
            "made again from them; absent: `fp8`, but `bf16` with `auto`"
        ),
    ] = None


class SizeEntry(NamedTuple):
    """From so many tokens on a batch has so many rows, or moves from these to those of the next entry."""

    tokens: Natural
    value: BatchSize
    shape: Literal["linear"] | None = None


class WeightEntry(NamedTuple):
    """The same of what needs not be whole."""

    tokens: Natural
    value: Weight
    shape: Literal["linear", "cosine"] | None = None


class Train(Table, frozen=True):
    schedule: Annotated[
        Literal["constant", "deepseek-v3", "deepseek-v2", "wsd", "cosine"],
        Meta(
            description="what learning rate, batch size, γ and λ do over `tokens`, where they are numbers, "
            "which are their peaks then: what DeepSeek-V3 or V2 did; a constant rate that decays linearly to "
            "a tenth in the last 10 %; half a cosine to a tenth. `constant`: numbers hold throughout"
        ),
    ] = "constant"
    tokens: Annotated[
        Count | None,
        Meta(
            description="slots of rows, padding included, to train on, over which a named `schedule` is "
            "stretched"
        ),
    ] = None
    steps: Annotated[
        Count | None,
        Meta(
            description="optimizer steps in all; raising it continues a finished run; absent: as many as "
            "take `tokens`, or 200"
        ),
    ] = None
    batch_size: Annotated[
        BatchSize | list[SizeEntry],
        Meta(
            description="rows in a step; a list of [tokens, rows] sets it anew from so many tokens of "
            'training on, the first of them 0; [tokens, rows, "linear"] has it grow or shrink up to the next'
        ),
    ] = 16
    micro_batch: Annotated[
        Count | None,
        Meta(
            description="rows at a time; absent: as many as keep the machine busy and fit into its memory, "
            "found when the training begins"
        ),
    ] = None
    sequence_length: Annotated[
        Count | list[tuple[Natural, Count]] | None,
        Meta(
            description="which of the packed lengths to train on; a list of [tokens, length] changes it, as "
            "`batch_size`; absent: the first that was packed"
        ),
    ] = None
    learning_rate: Annotated[
        Positive | list[WeightEntry],
        Meta(
            description="after warm-up; or a list of [tokens, rate], as `batch_size`, with the shapes "
            '"linear" and "cosine" (half a one)'
        ),
    ] = 2.2e-4
    warmup_steps: Annotated[
        Natural | None,
        Meta(
            description="steps in which the learning rate grows linearly from zero; absent: 2000, or with a "
            "named `schedule` the share of all steps that it has there"
        ),
    ] = None
    weight_decay: Annotated[float, Meta(ge=0.0, description="AdamW's, on matrices")] = 0.1
    beta1: Annotated[float, Meta(ge=0.0, lt=1.0, description="AdamW's first moment")] = 0.9
    beta2: Annotated[float, Meta(ge=0.0, lt=1.0, description="AdamW's second moment")] = 0.95
    clip_norm: Annotated[float, Meta(gt=0.0, description="largest norm of the gradient")] = 1.0
    attention: Annotated[
        Literal["row", "document"],
        Meta(description="what a token sees: its row up to itself, as in the report, or its document alone"),
    ] = "row"
    balance: Annotated[
        Literal["bias", "auxiliary", "none"] | None,
        Meta(
            description="of the experts' loads: by their biases and a small loss within sequences (V3), by "
            "losses alone (V2), or not; absent: `bias` for a sigmoid gate, `auxiliary` for softmax"
        ),
    ] = None
    bias_speed: Annotated[
        Weight | list[WeightEntry],
        Meta(
            description="γ, step of the experts' balancing bias, which moves with `bias` alone; or a list of "
            "[tokens, γ], read as that of `learning_rate`"
        ),
    ] = 0.001
    balance_weight: Annotated[
        Weight | list[WeightEntry] | None,
        Meta(
            description="α of the loss of each sequence's loads, or a list of [tokens, α]; absent: 0.0001 "
            "with `bias`, what V2 took with `auxiliary`: 0.003 for the preset 236b, 0.001 for others"
        ),
    ] = None
    device_balance_weight: Annotated[
        Weight | None,
        Meta(
            description="of V2's loss of the loads of groups, with `auxiliary`; absent: 0.05 for the preset "
            "236b, else 0"
        ),
    ] = None
    communication_balance_weight: Annotated[
        Weight | None,
        Meta(
            description="of V2's loss of the tokens sent to groups, with `auxiliary`; absent: 0.02 for the "
            "preset 236b, else 0"
        ),
    ] = None
    mtp_weight: Annotated[
        Weight | list[WeightEntry],
        Meta(description="λ, of the multi-token-prediction loss, or a list of [tokens, λ]"),
    ] = 0.3
    spike: Annotated[
        Positive | None,
        Meta(
            description="a batch whose loss or gradient norm stands out from the last 128 steps by more than "
            "so many deviations is skipped: nothing is learned from it; 6 is usual; absent: none is"
        ),
    ] = None
    average: Annotated[
        Share | None,
        Meta(
            description="decay of a moving average of the weights, such as 0.999, kept in the machine's "
            "memory and evaluated beside them; absent: none"
        ),
    ] = None
    evaluation_steps: Annotated[
        Count | None,
        Meta(description="steps between evaluations on held-out rows; absent: only of the trained model"),
    ] = None
    evaluation_tokens: Annotated[
        Natural,
        Meta(
            description="slots of held-out rows, of the longest length trained on, to evaluate on, taken "
            "evenly from all of them; 0: no evaluation"
        ),
    ] = 1 << 20
    held_out: Annotated[
        str | None,
        Meta(
            description="folder of `sequences` whose held-out rows to evaluate on, so that trainings on "
            "different mixtures are judged by the same text; absent: the run's own"
        ),
    ] = None
    start: Annotated[
        str | None,
        Meta(description="folder of a trained model, or of an imported one, whose weights to begin with"),
    ] = None
    moments: Annotated[
        Literal["bfloat16", "float32"], Meta(description="of AdamW's two moments, between steps")
    ] = "bfloat16"
    recompute: Annotated[
        list[Literal["norms", "projections", "activations"]] | None,
        Meta(
            description="what is made again for the backward pass, with the same bits, not kept: outputs of "
            "norms, queries, keys and values from MLA's latents, outputs of SwiGLU; absent: all with "
            "`fp8.mode` `emulate` or `on`, else what must be to fit into the memory"
        ),
    ] = None
    checkpoint_steps: Annotated[Count, Meta(description="steps between checkpoints")] = 100
    keep_last: Annotated[Count, Meta(description="how many of the newest checkpoints are kept")] = 1
    keep_every: Annotated[
        Count | None,
        Meta(
            description="checkpoints of steps that are a multiple of this are all kept; absent: none of them"
        ),
    ] = None
    load_steps: Annotated[Count, Meta(description="steps that a line of `expert_loads.jsonl` adds up")] = 10
    watch: Annotated[
        list[Literal["tensorboard", "wandb"]],
        Meta(description="where metrics go beside the files; each is an extra of the installation"),
    ] = []
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Meta(description="of the computation; `auto`: bfloat16 on a GPU and with FP8, float32 on a CPU"),
    ] = "auto"
    deterministic: Annotated[
        bool,
        Meta(
            description="whether a GPU takes kernels that give the same bits twice, so that a run killed and "
            "resumed ends as if it had not been; false: the fastest ones"
        ),
    ] = True
    seed: Annotated[Seed | None, Meta(description="of weights and row order; absent: the recipe's")] = None
    model: Annotated[Model, Meta(description="the network")] = Model()
    fp8: Annotated[Fp8, Meta(description="8-bit training")] = Fp8()


class Export(Table, frozen=True):
    dtype: Annotated[
        Literal["bfloat16", "fp8", "float32"],
        Meta(
            description="of the exported weights; `fp8`: E4M3 in blocks of 128 x 128, norms and such bfloat16"
        ),
    ] = "bfloat16"
    multi_token: Annotated[bool, Meta(description="whether multi-token prediction goes along")] = True
    average: Annotated[
        bool, Meta(description="whether it is the moving average of the weights that `train.average` keeps")
    ] = False
    shard_bytes: Annotated[Count, Meta(description="most bytes of a file of weights")] = 5_000_000_000


class Recipe(Table, frozen=True):
    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z", description="the run's folder: `shards/<name>`")
    ]
    seed: Annotated[Seed, Meta(description="of every draw")] = 1
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
# ours. The reports' initial weights of deviation 0.006 are for wide networks: in `smoke` and `50m` they leave
# the states of all tokens alike for long, and all of them at the same experts (docs/balance.md).
PRESETS: dict[str, dict[str, Any]] = {
    "smoke": {},
    "50m": dict(
        width=384, layers=8, heads=6, query_rank=192, key_value_rank=128, head_width=64, rope_width=32,
        value_width=64, dense_width=1152, expert_width=192, experts=32, chosen_experts=4,
        initial_deviation=0.02,
    ),
    "1b": dict(
        width=1024, layers=14, heads=8, query_rank=512, key_value_rank=256, head_width=128, rope_width=64,
        value_width=128, dense_width=3072, expert_width=384, experts=64, chosen_experts=6,
        initial_deviation=0.006,
    ),
    "16b": dict(
        width=2048, layers=27, heads=16, query_rank=None, key_value_rank=512, head_width=128, rope_width=64,
        value_width=128, dense_width=10944, expert_width=1408, experts=64, shared_experts=2, chosen_experts=6,
        gate="softmax", gate_scale=1.0, mtp_depth=0, initial_deviation=0.006,
    ),
    "236b": dict(
        width=5120, layers=60, heads=128, query_rank=1536, key_value_rank=512, head_width=128, rope_width=64,
        value_width=128, dense_width=12288, expert_width=1536, experts=160, shared_experts=2,
        chosen_experts=6, groups=8, chosen_groups=3, gate="softmax", gate_scale=16.0, mtp_depth=0,
        initial_deviation=0.006,
    ),
    "671b": dict(
        width=7168, layers=61, dense_layers=3, heads=128, query_rank=1536, key_value_rank=512, head_width=128,
        rope_width=64, value_width=128, dense_width=18432, expert_width=2048, experts=256, chosen_experts=8,
        groups=8, chosen_groups=4, initial_deviation=0.006,
    ),
}  # fmt: skip


class Keeping(Struct, frozen=True):
    """How a training keeps what its backward pass needs.

    `width`: bytes of the type that is computed in, `moment_width`: of a moment of AdamW. `fp8`: weights have
    codes beside them. Then what is kept as codes, and what is made again.
    """

    width: int
    moment_width: int = 2
    fp8: bool = False
    codes_of_inputs: bool = False
    codes_of_attention: bool = False
    codes_of_activations: bool = False
    again: frozenset[str] = frozenset()


AGAIN = frozenset(("norms", "projections", "activations"))


def resolve_keeping(train: Train, width: int, fp8: bool) -> Keeping:
    """fp8: whether products are made from codes of 8 bits, as `train.fp8.mode` says or `auto` finds."""
    moments = 2 if train.moments == "bfloat16" else 4
    sparing = fp8 and train.fp8.mode != "auto"  # which is for speed, and keeps in codes what it is told to
    again = (AGAIN if sparing else frozenset()) if train.recompute is None else frozenset(train.recompute)
    if not fp8:
        return Keeping(width, moments, again=again)

    def codes(setting: str | None) -> bool:
        return sparing if setting is None else setting != "bf16"

    inputs = train.fp8.inputs or ("bf16" if train.fp8.wgrad == "bf16" else None)
    return Keeping(
        width,
        moments,
        fp8=True,
        codes_of_inputs=codes(inputs),
        codes_of_attention=codes(train.fp8.attention),
        codes_of_activations=codes(train.fp8.activations),
        again=again,
    )


class Balance(Struct, frozen=True):
    """What a recipe's settings of balance mean: what is done, and the weight of each loss.

    `weight` is V3's α or V2's α1, perhaps by phases; `device` and `communication` are V2's α2 and α3.
    """

    mode: Literal["bias", "auxiliary", "none"]
    weight: float | list[WeightEntry] = 0.0
    device: float = 0.0
    communication: float = 0.0


def resolve_balance(train: Train) -> Balance:
    """Fill in what is absent (DeepSeek-V3 report, 4.2; DeepSeek-V2 report, 3.1.2 and appendix B).

    V2-Lite's 0.001 is also that of the loss which arXiv 2408.15664 compares the biases with.
    """
    mode = train.balance or ("bias" if train.model.gate == "sigmoid" else "auxiliary")
    if mode == "none":
        return Balance(mode)
    weight, large = train.balance_weight, train.model.preset == "236b"
    if weight is None:
        weight = 1e-4 if mode == "bias" else 0.003 if large else 0.001
    if mode == "bias":
        return Balance(mode, weight)
    device, communication = train.device_balance_weight, train.communication_balance_weight
    usual = (0.05, 0.02) if large and train.model.groups > 1 else (0.0, 0.0)
    return Balance(
        mode,
        weight,
        usual[0] if device is None else device,
        usual[1] if communication is None else communication,
    )


def packed_lengths(pack: Pack) -> list[int]:
    """The row lengths to pack, as a list whether the recipe names one or several."""
    return pack.sequence_length if isinstance(pack.sequence_length, list) else [pack.sequence_length]


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
