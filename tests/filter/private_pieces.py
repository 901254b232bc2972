"""Strings of what private data is made of, of what looks like it, and of what may stand beside it."""

from __future__ import annotations

from hypothesis import strategies as st

TOKEN = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"  # 36
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{TOKEN}{TOKEN}==\n-----END RSA PRIVATE KEY-----"
PIECES = [
    "bob", "Bob.Smith", "a", "git", "bob@x.com", "@", "@x.co", "x.com", "example.org", ".com", ".png",
    ".comTel", ".COM", ".CoM", "xn--p1ai", "mailto:", "://", "https://me:", "%20", "\\n", "\\u003c",
    "\\\\", "_", "é", "漢", "한", "И", "ไ", "\u0301", "²", "８", "3", "12", "19", "20", "255", "256",
    "007", "30.40.50.60", "8.8.8.8", "10.1.2.3", "192.168.100.200", "224.1.30.40", "1.2.3", "v",
    "version ", "Section ", "Firefox/", "2606:4700:4700::1111", "2001:db8::1", "2a02:8388:1:2:3:4:5:6",
    "2a00::30.40.50.60", "2606", ":", "::", "fe80::1", "std::abc", "12:30:45", "+", "+44 20 7946 0958",
    "+1", "+49 (0)30 1234567", "(0)", "(212) 555-0123", "212-555-0123", "212.555.0123", "(212)", "212",
    "555", "0123", "1", "1 (212) 555-0123", "7946 0958", "2020-10-12", "1999 2004", "Tel.: ", "phone",
    "fax no. ", ".tel.", "-fax.", "@tel.no.", "Téléphone ", "тел. ", "电话：", "телефон", "number ",
    "x123", "AKIAIOSFODNN7EXAMPLE", "AKIA", "ASIA", "AIza", "AIza" + TOKEN[:35], "ghp_",
    "ghp_" + TOKEN, "github_pat_", TOKEN + TOKEN[:10] + "_" + TOKEN, "sk-", "sk_live_", TOKEN,
    TOKEN[:20], "xoxb-", "hf_", "npm_", "npm_" + TOKEN, "pypi-", "eyJ", "eyJhbGciOiJ",
    f"eyJhbGciO.eyJzdWIiO.{TOKEN}", "-----", "-----BEGIN ", "PRIVATE KEY", "-----END ", KEY, KEY[:60],
    KEY[60:], 'password = "', "password", "'apiKey': '", "TOKEN=", "secret", '["token"]', "=>", ":=",
    "==", "=", "'", '"', "`", "Xk29dj2k3jLq", "xxxxxxxxxxxx", "[EMAIL]", "[IP]", "[PHONE]", "[SECRET]",
    "[", "]", "(", ")", "<", ">", ",", ";", ".", "..", "-", "--", "/", "#", "|", " ", "  ", "\t", "\n",
    "\u00a0", "\u2009", "\u2011", "\u2013", "\x00", "!", "to", "Ab",
]  # fmt: skip

private_texts = st.lists(
    st.one_of(st.sampled_from(PIECES), st.sampled_from(PIECES), st.characters(exclude_categories=["Cs"])),
    max_size=14,
).map("".join)
