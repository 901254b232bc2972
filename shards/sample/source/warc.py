"""Writes WARC/1.0 files: one gzip member per record, with fixed dates and identifiers."""

from __future__ import annotations

import base64
import hashlib
import struct
import uuid
import zlib
from datetime import UTC, datetime, timedelta

START = datetime(2025, 3, 8, 6, 0, 0, tzinfo=UTC)


def gzip_member(data: bytes) -> bytes:
    """One gzip member with no time stamp and a fixed header."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = squeeze.compress(data) + squeeze.flush()
    tail = struct.pack("<II", zlib.crc32(data), len(data))
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + body + tail


def http_message(status: str, headers: dict[str, str], body: bytes) -> bytes:
    """Status line, headers and body of one HTTP response."""
    lines = [f"HTTP/1.1 {status}"] + [f"{key}: {value}" for key, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def _digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode("ascii")


class WarcWriter:
    """Collects the records of one file; ``data`` holds the compressed bytes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = bytearray()
        self.counts: dict[str, int] = {}
        self.number = 0

    def add(self, kind: str, block: bytes, content_type: str, uri: str = "", **extra: str) -> str:
        """Append a record and return its WARC-Record-ID; ``extra`` names use _ for -."""
        self.number += 1
        record_id = f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{self.name}#{self.number}')}>"
        date = (START + timedelta(seconds=17 * self.number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {"WARC-Type": kind, "WARC-Date": date, "WARC-Record-ID": record_id}
        if uri:
            headers["WARC-Target-URI"] = uri
        headers.update({key.replace("_", "-"): value for key, value in extra.items()})
        headers |= {"WARC-Block-Digest": _digest(block), "Content-Type": content_type}
        headers["Content-Length"] = str(len(block))
        head = "WARC/1.0\r\n" + "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n"
        self.data += gzip_member(head.encode("utf-8") + block + b"\r\n\r\n")
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return record_id

    def info(self, description: str) -> None:
        """The warcinfo record that opens a file."""
        fields = {
            "software": "dspipe sample builder",
            "format": "WARC File Format 1.0",
            "description": description,
            "robots": "none, the hosts are invented",
        }
        block = "".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode("ascii")
        self.add("warcinfo", block, "application/warc-fields", WARC_Filename=self.name)

    def response(self, uri: str, message: bytes, **extra: str) -> str:
        """An HTTP response record."""
        payload = message.partition(b"\r\n\r\n")[2]
        kind = "application/http; msgtype=response"
        return self.add(
            "response",
            message,
            kind,
            uri,
            WARC_IP_Address="192.0.2.10",
            WARC_Payload_Digest=_digest(payload),
            **extra,
        )

    def request(self, uri: str, concurrent_to: str) -> None:
        """The HTTP request that belongs to a response."""
        host, _, path = uri.removeprefix("https://").partition("/")
        block = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n".encode("ascii")
        self.add("request", block, "application/http; msgtype=request", uri, WARC_Concurrent_To=concurrent_to)

    def metadata(self, uri: str, concurrent_to: str, lang: str) -> None:
        """A small metadata record as crawlers write them."""
        block = f"fetchTimeMs: {100 + len(uri)}\r\nlanguages-declared: {lang}\r\n".encode("ascii")
        self.add("metadata", block, "application/warc-fields", uri, WARC_Concurrent_To=concurrent_to)
