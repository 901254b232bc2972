"""All that the next step depends on → checkpoints, written while training goes on, and back bit for bit."""
