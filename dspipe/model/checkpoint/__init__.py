"""Checkpoints: the network's tensors and shape → a folder that others load, and back, changing no bit."""
