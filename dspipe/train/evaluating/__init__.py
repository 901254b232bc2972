"""Held-out rows → how good a network is on them."""
