"""Patterns: where in a text an e-mail address, an IP address, a phone number or a secret stands."""
