"""sequences = the mixture as rows of tokens: encoded, a share infilled and a share held out, fitted.

All workers encode the parts of the mixture; the lengths of documents are planned into rows in one go; then
all workers lay rows out of the tokens that the encoded parts have left, a file each.
"""

from __future__ import annotations

from dspipe.bpe.files import find_file
from dspipe.pack.documents import Documents
from dspipe.pack.encoding import Encoding, encode_part
from dspipe.pack.layout import count_documents, describe_documents, lay_out, write_line
from dspipe.pack.rows import lay_rows
from dspipe.recipe import Pack, packed_lengths
from dspipe.shards import Artifact, Output
from dspipe.workers import Workers


def run(settings: Pack, mixture: Artifact, tokenizer: Artifact, sequences: Output, workers: Workers) -> None:
    """Pack the mixture: rows of L tokens go to sequences/L<length>/, held-out ones to validation/ there."""
    file, scratch = find_file(tokenizer.folder), workers.scratch
    tasks = [Encoding(n, part, file, scratch, settings) for n, part in enumerate(mixture.files)]
    summaries = workers.map(encode_part, tasks)
    documents = Documents(scratch, [summary.documents for summary in summaries])
    pad = summaries[0].pad if summaries else 0
    layouts = [
        lay_out(documents, summaries, length, pad, settings, sequences.folder)
        for length in packed_lengths(settings)
    ]
    trained = [task for layout in layouts for task in layout.training]
    pieces = workers.map(lay_rows, trained + [layout.validation for layout in layouts])
    parts = [piece.parts["sequences"][0] for piece in pieces]
    facts = describe_documents(summaries) | {f"L{layout.row_length}": layout.facts for layout in layouts}
    sequences.close(
        parts[: len(trained)],
        count_documents(summaries),
        parts[len(trained) :],
        {**facts, "line": write_line(facts)},
    )
