"""mixture, tokenizer → sequences: rows of tokens in which documents are whole wherever they fit."""
