"""Pretraining: rows of tokens in, a trained network out, bit for bit whatever the interruptions."""
