"""A tokenizer and texts → token ids, and back: as `tokenizers` does it, by kernels."""
