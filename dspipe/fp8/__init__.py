"""8-bit floating point: weights → codes and scales, and back, in plain torch."""
