"""Products with weights: how the network multiplies, in the type it computes in or in 8 bits."""
