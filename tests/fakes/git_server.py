# SPDX-License-Identifier: GPL-2.0-only
"""git's own HTTP server for a repository, and servers that do not answer, on free ports."""

import contextlib
import http.server
import os
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar


class _Backend(http.server.BaseHTTPRequestHandler):
    """Hands each request to git http-backend and notes its path."""

    root: ClassVar[Path]
    asked: ClassVar[list[str]]
    stall_s: ClassVar[float]

    def do_GET(self) -> None:
        self._run(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if b"command=fetch" in body:
            time.sleep(self.stall_s)
        self._run(body)

    def _run(self, body: bytes) -> None:
        url = urllib.parse.urlsplit(self.path)
        self.asked.append(self.path)
        env = os.environ | {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=env, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split(" ")[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def served(root: Path, *, stall_s: float = 0) -> Iterator[tuple[str, list[str]]]:
    """Serve the repositories below a folder; yield the URL of the folder and what was asked.

    Objects are sent after `stall_s`.
    """
    handler = type("Handler", (_Backend,), {"root": root, "asked": [], "stall_s": stall_s})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def mute() -> Iterator[str]:
    """Yield the URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed() -> str:
    """Return a URL at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"
