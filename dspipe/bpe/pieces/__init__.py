"""Texts → where their pieces end: by kernels for the patterns in wide use, by `tokenizers` for others."""
