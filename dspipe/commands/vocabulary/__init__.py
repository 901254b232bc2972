"""A tokenizer → what it is worth: how far it compresses, for whom, and which of its entries are of no use."""
