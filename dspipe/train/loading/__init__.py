"""Packed rows on disk → the batch of any step, in an order that is a function of seed and step."""
