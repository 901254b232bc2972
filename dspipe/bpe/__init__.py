"""Byte-level BPE: the DeepSeek-V3 pre-tokenizer special tokens, and an encoder, on `tokenizers` so far."""
