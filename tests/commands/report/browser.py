"""A real browser, headless, that opens a file and says what became of it, spoken to in its own protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip
PATIENCE = 60  # seconds


@dataclass
class Page:
    """What was seen: addresses asked for, messages of errors, and the value of a script after loading."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    value: Any = None
    picture: bytes = b""


@contextmanager
def running() -> Iterator[str]:
    """Yield where the browser listens; it is ended, and its folder removed."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield find_address(Path(folder) / "DevToolsActivePort", process)
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def find_address(file: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        lines = file.read_text().splitlines() if file.is_file() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise RuntimeError("the browser did not start")


def visit(
    address: str, file: Path, width: int, script: str, *, dark: bool = False, height: int = 900
) -> Page:
    """Open a file in a window so wide, wait until it is loaded, and run a script in it."""
    return asyncio.run(asyncio.wait_for(open_file(address, file, width, script, dark, height), PATIENCE))


async def open_file(address: str, file: Path, width: int, script: str, dark: bool, height: int) -> Page:
    import aiohttp

    page, numbers = Page(), iter(range(1, 1000))
    loaded = asyncio.Event()
    answers: dict[int, asyncio.Future[Any]] = {}
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:

        async def call(method: str, target: str | None = None, **parameters: Any) -> Any:
            number = next(numbers)
            answers[number] = asyncio.get_running_loop().create_future()
            message = {"id": number, "method": method, "params": parameters}
            await socket.send_str(json.dumps(message | ({"sessionId": target} if target else {})))
            return await answers[number]

        async def listen() -> None:
            async for message in socket:
                content = json.loads(message.data)
                if "id" in content:
                    answers[content["id"]].set_result(content.get("result", content.get("error")))
                note(page, content.get("method", ""), content.get("params", {}))
                if content.get("method") == "Page.loadEventFired":
                    loaded.set()

        listening = asyncio.create_task(listen())
        made = await call("Target.createTarget", url="about:blank")
        target = (await call("Target.attachToTarget", targetId=made["targetId"], flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await call(f"{domain}.enable", target)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await call("Emulation.setEmulatedMedia", target, features=scheme)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await call("Emulation.setDeviceMetricsOverride", target, **size)
        loaded.clear()
        await call("Page.navigate", target, url=file.resolve().as_uri())
        await loaded.wait()
        answer = await call("Runtime.evaluate", target, expression=script, returnByValue=True)
        page.value = answer["result"].get("value")
        taken = await call("Page.captureScreenshot", target)
        page.picture = base64.b64decode(taken.get("data", ""))
        await call("Target.closeTarget", targetId=made["targetId"])
        listening.cancel()
    return page


def note(page: Page, method: str, content: dict[str, Any]) -> None:
    if method == "Network.requestWillBeSent":
        page.requests.append(content["request"]["url"])
    elif method == "Runtime.exceptionThrown":
        page.errors.append(str(content["exceptionDetails"]))
    elif method == "Runtime.consoleAPICalled":
        page.errors.append(str(content["args"]))
    elif method == "Log.entryAdded":
        page.errors.append(content["entry"]["text"])
