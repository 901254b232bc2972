"""A recipe is accepted whole or refused in one line that names file, key and mend."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from dspipe.keys import describe_keys
from dspipe.reading import check_recipe, load_recipe
from dspipe.recipe import PRESETS, Epochs, RecipeError

ROOT = Path(__file__).parent.parent

REFUSALS: list[tuple[str, str]] = [
    ("[dedup]\nband = 3", "dedup.band: there is no such key; did you mean bands?"),
    ("[dedup]\nbands = '3'", "dedup.bands: expected int, got str"),
    ("[dedup]\nsimilarity = 1.5", "dedup.similarity: expected float <= 1.0"),
    ("[dedup]\norder = ['newest', 'newest']", "dedup.order: newest stands there twice"),
    ("[dedup]\norder = ['longest', 'shortest']", "dedup.order: longest and shortest cannot both decide"),
    ("[dedup]\nagainst = ['a', 'a']", "dedup.against: a stands there twice"),
    (
        "[dedup]\norder = []\nprefer = ['a']",
        "dedup.prefer: counts for nothing while order leaves out `source`",
    ),
    ("[dedup.lines]\nby = 'page'", "dedup.lines.by: "),
    ("[mix.domains]\nweb = 0.5", "mix.domains: the shares sum to 0.5; make them sum to 1"),
    ("[mix.languages]\nen = 0.5", "or set mix.temperature"),
    (
        "[mix]\nbytes = 5\ntokens = 5\ntokenizer = 'x'",
        "mix.tokens: bytes and tokens are both given; keep one",
    ),
    ("[mix]\ntokens = 5", "mix.tokenizer: tokens are counted with a tokenizer"),
    ("[[extract.sources]]\nname = 'a'", "extract.sources[0].path: must be given"),
    ("[[extract.sources]]\nname = 'a'\npath = 'b'\nformt = 'warc'", "did you mean format?"),
    (
        "[[extract.sources]]\nname = 'a'\npath = 'b'\nformat = 'zip'",
        "warc, wet, wat, arc, jsonl, csv, parquet, arrow, text",
    ),
    (
        "[[extract.sources]]\nname='a'\npath='b'\n[[extract.sources]]\nname='a'\npath='c'",
        "two sources are named a",
    ),
    ("[train.model]\npreset = '2b'", "'2b' is not one of: smoke, 50m, 1b, 16b, 236b, 671b"),
    (
        "[train.model]\nchosen_experts = 99",
        "train.model.chosen_experts: 99 is more than the chosen groups hold",
    ),
    ("[train.model]\nwidth = 130", "train.model.width: 130 is no multiple of 4 heads"),
    ("[train.model]\nrope_theta = 1.0", "train.model.rope_theta: 1 turns no pair slower than another"),
    ("[train.model.yarn]\nbeta_fast = 1.0", "train.model.yarn.beta_fast: it must be more than beta_slow"),
    (
        "[pack]\nsequence_length = 513\n[train.model.yarn]\nfactor = 4.0\noriginal_length = 128",
        "train.sequence_length: 513 is more than train.model.yarn.factor x original_length = 512; raise",
    ),
    (
        "[pack]\nsequence_length = [64, 600]\n[train]\nsequence_length = [[0, 64], [9, 600]]\n"
        "[train.model.yarn]\nfactor = 4.0\noriginal_length = 128",
        "train.sequence_length: 600 is more than",
    ),
    (
        "[train.model]\ngroups = 16\nchosen_groups = 4",
        "train.model.groups: with one expert in each, nobody else could load it",
    ),
    ("[train]\nbatch_size = 6\nmicro_batch = 4", "train.micro_batch: 4 does not divide batch_size 6"),
    (
        "[train]\nbatch_size = [[0, 8], [100, 6]]\nmicro_batch = 4",
        "train.micro_batch: 4 does not divide batch_size 6",
    ),
    ("[train]\nbatch_size = []", "train.batch_size: an empty list says nothing; give [[0, value], …]"),
    ("[train]\nbatch_size = [[5, 8]]", "train.batch_size: the first entry is from 5 tokens on; begin with"),
    (
        "[train]\nbatch_size = [[0, 8], [9, 8], [9, 4]]",
        "train.batch_size: the tokens of its entries must",
    ),
    (
        "[train]\nbatch_size = [[0, 8], [9, 8], [7, 4]]",
        "train.batch_size: the tokens of its entries must",
    ),
    ("[train]\nbatch_size = [[0, 0]]", "expected int >= 1"),
    ("[train]\nsequence_length = []", "train.sequence_length: an empty list says nothing"),
    ("[train]\nsequence_length = [[1, 4096]]", "train.sequence_length: the first entry is from 1 tokens on"),
    ("[train]\nsequence_length = 64", "train.sequence_length: 64 is not packed; add it to pack.sequence_le"),
    (
        "[train]\nsequence_length = [[0, 4096], [10, 64]]",
        "train.sequence_length: 64 is not packed; add it to pack.sequence_length",
    ),
    ("[train]\nbias_speed = []", "train.bias_speed: an empty list says nothing; give"),
    ("[train]\nmtp_weight = [[5, 0.3]]", "train.mtp_weight: the first entry is from 5 tokens on; begin with"),
    (
        "[train]\nbalance_weight = [[0, 0.1], [9, 0.2], [8, 0.1]]",
        "train.balance_weight: the tokens of its entries must ascend",
    ),
    ("[train]\nmtp_weight = [[0, inf]]", "train.mtp_weight: one of its values is no number to work with"),
    (
        "[train]\nlearning_rate = [[0, 0.1], [9, 0.2, 'cosine']]",
        "train.learning_rate: there is no entry for the last one to move to; add one, or drop its shape",
    ),
    ("[train]\nlearning_rate = [[0, 0.1, 'cubic'], [9, 0.2]]", "'cubic' is not one of: linear, cosine"),
    ("[train]\nbatch_size = [[0, 1, 'cosine'], [9, 2]]", "'cosine' is not one of: linear"),
    ("[train]\nsequence_length = [[0, 4096, 'linear'], [9, 4096]]", "train.sequence_length[0]"),
    ("[train]\nlearning_rate = []", "train.learning_rate: an empty list says nothing"),
    ("[train]\nlearning_rate = 0.0", "train.learning_rate: expected float > 0.0"),
    ("[train]\nschedule = 'wsd'", 'train.tokens: schedule = "wsd" is stretched over a number of tokens'),
    ("[train]\nschedule = 'deepseek'", "'deepseek' is not one of: constant, deepseek-v3, deepseek-v2, wsd"),
    ("[train]\nbias_speed = [[0, -0.1]]", "train.bias_speed[0][1]: expected float >= 0.0"),
    ("[train]\nbalance = 'biased'", "'biased' is not one of: bias, auxiliary, none"),
    (
        "[train]\nbalance = 'bias'\n[train.model]\npreset = '16b'",
        "train.balance: a softmax gate has no biases; take",
    ),
    (
        "[train]\ndevice_balance_weight = 0.05",
        'train.device_balance_weight: counts for nothing with balance = "bias"; leave it out',
    ),
    (
        "[train]\nbalance = 'none'\ncommunication_balance_weight = 0.02",
        'train.communication_balance_weight: counts for nothing with balance = "none"; leave it out',
    ),
    (
        "[train]\nbalance = 'auxiliary'\ndevice_balance_weight = 0.05",
        "train.device_balance_weight: counts for nothing with one group; leave it out",
    ),
    ("[train.fp8]\nmode = 'half'", "'half' is not one of: off, emulate, on, auto"),
    ("[pack]\nsequence_length = 4", "pack.sequence_length: 4 is too short"),
    ("[pack]\nsequence_length = [64, 256]\noverlap = 64", "pack.overlap: it may be half of a row of 64"),
    ('[pack]\nmode = "concatenate"\noverlap = 4', 'pack.overlap: it goes with pack.mode = "best-fit"'),
    ('[pack]\nmode = "concatenate"\nmax_documents = 4', "pack.max_documents: it goes with"),
    ("[pack]\nwindow = 4095", "pack.window: it must hold a row"),
    ('[pack.marks]\nfim_hole = "<e>"\nend = "<e>"', "pack.marks.fim_hole: <e> is another mark"),
    ("[pack.fim_rate]\ncode = 1.5", "pack.fim_rate"),
    ("[pack]\nvalidation = -0.1", "pack.validation"),
    ("[tokenizer]\nvocab_size = 100", "tokenizer.vocab_size: expected int >= 259"),
    (
        "[tokenizer]\nmodel = 'unigram'",
        'tokenizer.model: only sentencepiece trains it; set tokenizer.trainer = "sentencepiece"',
    ),
    (
        "[tokenizer]\ntrainer = 'sentencepiece'\npattern = 'cl100k'",
        "tokenizer.pattern: sentencepiece does not know it; leave it out",
    ),
    ("[tokenizer]\ntrainer = 'sentencepiece'\nmin_frequency = 2", "tokenizer.min_frequency: sentencepiece"),
    ("[tokenizer]\ntrainer = 'sentencepiece'\nmax_token_length = 9", "tokenizer.max_token_length: senten"),
    (
        "[tokenizer]\ntrainer = 'sentencepiece'\nlanguages = {en = 1.0}",
        "tokenizer.languages: sentencepiece does not know it",
    ),
    ("[tokenizer]\ntrainer = 'sentencepiece'\ntemperature = 2", "tokenizer.temperature: sentencepiece"),
    (
        "[tokenizer.languages]\nen = 0.5",
        "tokenizer.languages: the shares sum to 0.5; make them sum to 1, or set tokenizer.temperature",
    ),
    (
        "[tokenizer]\ntemperature = 2\nlanguages = {en = 0.6, no = 0.6}",
        "tokenizer.languages: the shares sum to 1.2; make them sum to 1",
    ),
    ("[mix]\nmax_epochs = inf", "mix.max_epochs: inf is no number to work with"),
    ("[mix]\nmax_epochs = 0", "mix.max_epochs: expected float > 0"),
    ("[mix.max_epochs]\ndefualt = 2", "mix.max_epochs.defualt: there is no such key; did you mean default?"),
    ("[mix.max_epochs.languages]\nno = 0.0", "mix.max_epochs.languages[...]: expected float > 0"),
    (
        "[mix.max_epochs.sources]\nbook = 2\n[[extract.sources]]\nname='books'\npath='b'",
        "mix.max_epochs.sources: there is no source named book; there are: books",
    ),
    (
        "[mix.max_epochs.domains]\nmath = 2\n[mix.domains]\nweb = 1.0",
        "mix.max_epochs.domains: math has no share in mix.domains",
    ),
    (
        "[mix.max_epochs.languages]\nno = 2\n[mix.languages]\nen = 1.0",
        "mix.max_epochs.languages: no has no share in mix.languages",
    ),
    ("[mix]\nquality_power = -1", "mix.quality_power: expected float >= 0"),
    (
        "[[extract.sources]]\nname='a'\npath='b'\n[filter.private]\nweb = ['email']",
        "filter.private: there is no source named web; there are: a",
    ),
    ("[filter]\nprivate = ['mail']", "'mail' is not one of: email, ip, phone, secret"),
    (
        "[filter.licenses]\nallow = ['CC-*']\ndeny = ['cc-*']",
        "filter.licenses.deny: 'cc-*' is in allow too, which wins; keep one of them",
    ),
    ("[filter.licenses]\nallow = ['MIT ']", "filter.licenses.allow: 'MIT ' fits no licence"),
    ("nmae = 'x'", "nmae: there is no such key; did you mean name?"),
]


def write_recipe(folder: Path, body: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text("name = 'test'\n" + body, "utf-8")
    return path


@pytest.mark.parametrize(("body", "message"), REFUSALS)
def test_a_wrong_recipe_is_refused_with_file_key_and_mend(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        load_recipe(write_recipe(tmp_path, body))
    text = str(refusal.value)
    assert message in text and text.startswith(str(tmp_path / "recipe.toml")) and "\n" not in text


def test_a_missing_or_broken_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such recipe"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(RecipeError, match="not a readable TOML file"):
        load_recipe(tmp_path / "broken.toml")


def test_set_overrides_numbers_strings_tables_and_sources(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "[[extract.sources]]\nname = 'web'\npath = 'x.warc'\n[dedup]\nbands = 20")
    recipe = load_recipe(
        path,
        [
            "dedup.bands=10",
            "train.learning_rate=1e-4",
            "extract.sources.web.path=/data/*.warc.gz",
            "mix.domains={web = 1.0}",
            "train.model.preset=50m",
            "filter.languages=['en', 'no']",
        ],
    )
    assert recipe.dedup.bands == 10 and recipe.train.learning_rate == 1e-4
    assert recipe.extract.sources[0].path == "/data/*.warc.gz" and recipe.mix.domains == {"web": 1.0}
    assert recipe.train.model.width == PRESETS["50m"]["width"] and recipe.filter.languages == ["en", "no"]


@pytest.mark.parametrize("assignment", ["dedup.bands", "=3", "extract.sources.books.path=x", "seed.x=1"])
def test_an_assignment_that_reaches_nothing_is_refused(tmp_path: Path, assignment: str) -> None:
    path = write_recipe(tmp_path, "seed = 1\n[[extract.sources]]\nname = 'web'\npath = 'x.warc'")
    with pytest.raises(RecipeError):
        load_recipe(path, [assignment])


def test_epochs_are_a_number_or_a_table() -> None:
    tables: list[Any] = [4, {"default": 2, "sources": {"books": 3.5}}]
    found = [
        check_recipe({"name": "x", "mix": {"max_epochs": each}}, "x.toml").mix.max_epochs for each in tables
    ]
    assert found == [4.0, Epochs(default=2.0, sources={"books": 3.5})]
    spread = {"max_epochs": {"languages": {"no": 2}}, "languages": {"en": 0.5}, "temperature": 2}
    assert check_recipe({"name": "x", "mix": spread}, "x.toml").mix.temperature == 2.0


def test_shares_of_a_sample_may_leave_a_rest_to_the_temperature() -> None:
    table = {"languages": {"en": 0.5}, "temperature": 2}
    assert check_recipe({"name": "x", "tokenizer": table}, "x.toml").tokenizer.languages == {"en": 0.5}
    chosen = {"trainer": "sentencepiece", "model": "unigram"}
    assert check_recipe({"name": "x", "tokenizer": chosen}, "x.toml").tokenizer.model == "unigram"


def test_the_seed_of_the_recipe_reaches_the_stages_that_draw() -> None:
    recipe = check_recipe({"name": "x", "seed": 7, "mix": {"seed": 3}}, "x.toml")
    assert (recipe.mix.seed, recipe.pack.seed, recipe.train.seed) == (3, 7, 7)


def test_a_preset_gives_way_to_keys_beside_it() -> None:
    raw: dict[str, Any] = {"name": "x", "train": {"model": {"preset": "671b", "layers": 4}}}
    model = check_recipe(raw, "x.toml").train.model
    assert (model.layers, model.experts, model.width) == (4, 256, 7168)


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_come_along_are_accepted(path: Path) -> None:
    assert load_recipe(path).name == path.stem


def test_the_page_of_keys_is_that_of_the_code() -> None:
    assert (ROOT / "recipes" / "README.md").read_text("utf-8") == describe_keys()


def test_the_recipe_of_the_design_is_accepted() -> None:
    text = """
name = "example"
[[extract.sources]]
name = "web"
path = "shards/sample/web*.warc.gz"
format = "warc"
domain = "web"
[filter]
languages = ["en", "zh", "no"]
rules = "fineweb"
[dedup]
similarity = 0.8
bands = 20
rows = 5
[mix]
bytes = 200_000_000
max_epochs = 4.0
[mix.domains]
web = 0.55
code = 0.25
math = 0.20
[mix.languages]
en = 0.6
zh = 0.4
[tokenizer]
vocab_size = 128000
[pack]
sequence_length = 4096
fim_rate = 0.1
[train]
steps = 200
[train.model]
preset = "smoke"
[train.fp8]
mode = "auto"
"""
    recipe = check_recipe(tomllib.loads(text), "example.toml")
    assert recipe.mix.bytes == 200_000_000 and recipe.train.fp8.mode == "auto"
