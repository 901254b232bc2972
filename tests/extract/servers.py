"""Real servers on loopback, for tests: one of web files that fails as it is told, one that speaks S3."""

from __future__ import annotations

import gzip
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.extract.crawls import PARAGRAPH, make_record

CRAWL = "CC-MAIN-2024-10"


@dataclass
class Behaviour:
    """How the web server answers; may be changed while it runs."""

    ranges: bool = True
    lengths: bool = True
    faults: Callable[[str, int], str | None] = lambda path, number: None
    pause: float = 0.0  # seconds before each answer
    log: list[tuple[str, int, int]] = field(default_factory=list)  # path, first byte, bytes sent
    asked: dict[str, int] = field(default_factory=dict)  # requests for each path so far
    active: int = 0
    most: int = 0  # requests in work at one time
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(BaseHTTPRequestHandler):
    """Serves files of a folder, with ranges, unless the behaviour has a fault for the request."""

    protocol_version = "HTTP/1.1"
    server: WebServer

    def do_GET(self) -> None:
        behaviour, path = self.server.behaviour, self.path.partition("?")[0]
        with behaviour.lock:
            number = behaviour.asked.get(path, 0)
            behaviour.asked[path] = number + 1
            behaviour.active += 1
            behaviour.most = max(behaviour.most, behaviour.active)
        try:
            time.sleep(behaviour.pause)
            fault = behaviour.faults(path, number)
            if fault and fault[:3].isdigit():
                self.refuse(fault)
            else:
                self.send_file(path, fault)
        finally:
            with behaviour.lock:
                behaviour.active -= 1

    def refuse(self, fault: str) -> None:
        """`503`, or with what is to be the Retry-After: `503 after 2`."""
        status, _, after = fault.partition(" after ")
        self.send_response(int(status))
        if after:
            self.send_header("Retry-After", after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, path: str, fault: str | None) -> None:
        place = self.server.folder / path.lstrip("/")
        if place.is_dir():
            return self.send_listing(path, place, fault)
        if not place.is_file():
            return self.refuse("404")
        size = place.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = 0, size
        if asked and self.server.behaviour.ranges:
            first, last = int(asked[1]), min(int(asked[2]) + 1, size)
            if first >= size:
                return self.refuse_range(size)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{size}")
        else:
            self.send_response(200)
        self.send_body(path, first, read_range(place, first, last), fault)

    def refuse_range(self, size: int) -> None:
        self.send_response(416)
        self.send_header("Content-Range", f"bytes */{size}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_listing(self, path: str, place: Path, fault: str | None) -> None:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in place.iterdir())
        page = "".join(f'<a href="{name}">{name}</a>\n' for name in names).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_body(path, 0, page, fault)

    def send_body(self, path: str, first: int, body: bytes, fault: str | None) -> None:
        """Send all; or half of it, and then cut the connection, end it in order, or fall silent."""
        if self.server.behaviour.lengths:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        sent = body if fault is None else body[: len(body) // 2]
        self.server.behaviour.log.append((path, first, len(sent)))
        with suppress(ConnectionError):  # a reader may leave what it does not want
            self.wfile.write(sent)
        if fault == "cut":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if fault == "silent":
            self.server.over.wait(10)
        if fault or not self.server.behaviour.lengths:
            self.close_connection = True

    def log_message(self, *_: Any) -> None: ...


def read_range(place: Path, first: int, last: int) -> bytes:
    with place.open("rb") as stream:
        stream.seek(first)
        return stream.read(last - first)


class WebServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.behaviour = behaviour
        self.over = threading.Event()

    def handle_error(self, *_: Any) -> None:
        """Nothing: connections are meant to break here."""


@contextmanager
def serve_web(folder: Path, **behaviour: Any) -> Iterator[tuple[str, Behaviour]]:
    """Serve a folder; gives the address, without a slash at its end, and the behaviour."""
    with WebServer(folder, Behaviour(**behaviour)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server.behaviour
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


@contextmanager
def serve_s3(bucket: str, folder: Path) -> Iterator[None]:
    """Serve a folder's files as a bucket, where the environment says that S3 is, as a user would say it."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        client = boto3.client("s3")
        client.create_bucket(Bucket=bucket)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            client.upload_file(str(path), bucket, str(path.relative_to(folder)))
        client.close()
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()


def make_texts(count, first=0):
    """Compressed members of a WET file."""
    texts = [f"{PARAGRAPH} Page {number}.".encode() for number in range(first, first + count)]
    return b"".join(gzip.compress(make_record(text, "conversion", n)) for n, text in enumerate(texts, first))


def write_archive(folder: Path, files: dict[str, bytes], kind: str = "warc") -> str:
    """Lay files out as Common Crawl does, with their listing; gives the `cc://` address of all of them."""
    prefix = f"crawl-data/{CRAWL}"
    paths = [f"{prefix}/segments/1700000000000.1/{kind}/{name}" for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    listing = "".join(f"{path}\n" for path in paths).encode()
    (folder / prefix / f"{kind}.paths.gz").write_bytes(gzip.compress(listing))
    return f"cc://{CRAWL}?kind={kind}"
