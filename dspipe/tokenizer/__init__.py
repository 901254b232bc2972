"""mixture → tokenizer: a byte-level BPE trained on exactly what the model will read."""
