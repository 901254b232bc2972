"""Pieces of a mixture → how often each distinct one occurs, in memory and on disk."""
