"""What a training does at which number of tokens: rates, weights, batch sizes, lengths of rows."""
