"""Where in a text an e-mail or IP address, a phone number or a secret stands, and what replaces it."""
