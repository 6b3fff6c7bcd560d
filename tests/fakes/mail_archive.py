# SPDX-License-Identifier: GPL-2.0-only
"""A mail archive on loopback: a real public-inbox, and servers that fail as archives do."""

import contextlib
import email.utils
import gzip
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from tests.fakes.trees import edit, git

LIST = "test@example.org"
AUTHOR = "A Developer <dev@example.org>"
AKPM = "Andrew Morton <akpm@example.org>"
REVIEWER = "R Viewer <rev@example.org>"
#: Characters that a URL has to encode.
V1, V2 = "v1/cover+1%@example.org", "v2-cover@example.org"
FIX = "mm-memremap-fix@example.org"
CLAIM = """\
It was slow. Both drivers were rebound 30 times.

The average rebind of nd_pmem falls from 250.50 ms to 100.20 ms.
"""
#: Starts a server on a socket that listens already, as systemd does: its port cannot be taken.
_ON_SOCKET = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Posting(msgspec.Struct, frozen=True):
    """A mail to the list; `answers` are the message-ids above it, the first mail's first."""

    name: str
    subject: str
    body: str
    answers: tuple[str, ...] = ()
    sender: str = AUTHOR

    def raw(self, minute: int) -> bytes:
        """Return the mail as sent, some minutes after the first one."""
        sent = datetime(2026, 6, 1, 12, tzinfo=UTC) + timedelta(minutes=minute)
        head = {
            "From": self.sender,
            "To": LIST,
            "Date": email.utils.format_datetime(sent),
            "Subject": self.subject,
            "Message-ID": f"<{self.name}>",
        }
        if self.answers:
            head["In-Reply-To"] = f"<{self.answers[-1]}>"
            head["References"] = " ".join(f"<{name}>" for name in self.answers)
        lines = "".join(f"{name}: {value}\n" for name, value in head.items())
        return f"{lines}\n{self.body}".encode()


def thread(linux: Path) -> list[Posting]:
    """Return a thread of two versions, with covers, replies and a late fix, on a fake kernel."""
    diffs = _diffs(linux)
    one, two, again = "mm/mm_init: count from one", "mm/memremap: map more", "v2-{}@example.org"
    sign = "Signed-off-by: A Developer <dev@example.org>\n---\n"
    review = "> quoted\n\nReviewed-by: R Viewer <rev@example.org>\n"
    above = (V1, V2)
    return [
        Posting(V1, "[PATCH 0/2] mm: faster memmap", "It is slow.\n"),
        Posting("v1-1@example.org", f"[PATCH 1/2] {one}", f"Text.\n\n{sign}{diffs[0]}", (V1,)),
        Posting("v1-2@example.org", f"[PATCH 2/2] {two}", f"Text.\n\n{sign}{diffs[1]}", (V1,)),
        Posting(
            "r1@example.org", f"Re: [PATCH 1/2] {one}", review, (V1, "v1-1@example.org"), REVIEWER
        ),
        Posting(V2, "[PATCH v2 0/2] mm: faster memmap", CLAIM, (V1,)),
        # The line that begins with "From " is escaped in mboxes.
        Posting(
            again.format(1),
            f"[PATCH v2 1/2] {one}",
            f"From now on it counts.\n\n{sign}{diffs[0]}",
            above,
        ),
        Posting(again.format(2), f"[PATCH v2 2/2] {two}", f"Text.\n\n{sign}{diffs[2]}", above),
        Posting(
            "r2@example.org",
            f"Re: [PATCH v2 2/2] {two}",
            review,
            (*above, again.format(2)),
            REVIEWER,
        ),
        Posting("r3@example.org", "Re: [PATCH v2 0/2] mm: faster memmap", "No.\n", above, REVIEWER),
        Posting(FIX, "mm-memremap-map-more-fix", diffs[3], (*above, again.format(2)), AKPM),
    ]


def _diffs(linux: Path) -> list[str]:
    """Return diffs of patch 1, patch 2 of v1 and v2, and akpm's fix."""
    git(linux, "init", "-q", "-b", "main")
    git(linux, "add", "-A")
    git(linux, "commit", "-qm", "base")
    edit(linux / "mm/mm_init.c", "refcount = 0", "refcount = 1")
    diffs = [git(linux, "diff", "--full-index") + "\n"]
    git(linux, "commit", "-qam", "one")
    for size in ("768", "1024"):
        edit(linux / "mm/memremap.c", "512", size)
        diffs.append(git(linux, "diff", "--full-index") + "\n")
        edit(linux / "mm/memremap.c", size, "512")
    edit(linux / "mm/memremap.c", "512", "1024")
    git(linux, "commit", "-qam", "two")
    edit(linux / "mm/memremap.c", "1024", "2048")
    _, _, hunk = git(linux, "diff").partition("@@")
    name = "mm/memremap.c"
    diffs.append(f"More.\n\n--- a/{name}~mm-memremap-map-more-fix\n+++ a/{name}\n@@{hunk}\n_\n")
    return diffs


class MailArchive:
    """A public-inbox with one list, at `url`, and its programs' folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self._env = os.environ | {
            "HOME": str(folder),
            "PI_CONFIG": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "ORIGINAL_RECIPIENT": LIST,
        }

    def make(self, postings: Sequence[Posting], signed: str = "") -> None:
        """Archive mails; patatt signs those whose subject contains `signed`."""
        inbox = str(self.folder / "list")
        self._run("public-inbox-init", "-V2", "test", inbox, "http://127.0.0.1/list", LIST)
        # Without these, no mail arrives: it would be checked for spam.
        config = ["git", "config", "--file", str(self.folder / "config")]
        self._run(*config, "publicinboxmda.spamcheck", "none")
        self._key()
        for minute, posting in enumerate(postings):
            file = self.folder / "mail"
            file.write_bytes(posting.raw(minute))
            if signed and signed in posting.subject:
                self._run(_script("patatt"), "sign", str(file))
            self._run("public-inbox-mda", "--no-precheck", stdin=file.read_bytes())
        self._run("public-inbox-index", inbox)

    def _key(self) -> None:
        settings = {"user.name": "A Developer", "user.email": "dev@example.org"}
        for name, value in settings.items():
            self._run("git", "config", "--global", name, value)
        self._run(_script("patatt"), "genkey", "-n", "key")
        self._run("git", "config", "--global", "patatt.signingkey", "ed25519:key")

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Serve the archive on a free port of loopback, and set `url`."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/test"
            argv = [sys.executable, "-c", _ON_SOCKET, str(listening.fileno())]
            log = (self.folder / "httpd.log").open("wb")
            server = subprocess.Popen(
                [*argv, "public-inbox-httpd", "--worker-processes=0"],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(listening.fileno(),),
                start_new_session=True,
            )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            log.close()

    def _run(self, *argv: str, stdin: bytes = b"") -> None:
        done = subprocess.run(
            argv, env=self._env, cwd=self.folder, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()


@contextlib.contextmanager
def mail_archive(folder: Path, linux: Path) -> Iterator[MailArchive]:
    """Serve the thread of `thread` from a public-inbox, and remove its folder afterwards."""
    made = MailArchive(folder / "archive")
    made.folder.mkdir(parents=True)
    source = folder / "linux"
    shutil.copytree(linux, source)
    try:
        made.make(thread(source), signed="PATCH v2 2/2")
        with made.served():
            yield made
    finally:
        shutil.rmtree(folder)


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve an archive that answers every request so, and yield its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # The client may be killed at its deadline.
            with contextlib.suppress(ConnectionError):
                answer(self)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/test"
        finally:
            server.shutdown()


def status(code: int) -> Answer:
    """Answer with an error."""
    return lambda request: request.send_error(code)


def content(data: bytes, length: int | None = None) -> Answer:
    """Answer with data; `length` is its announced length."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data) if length is None else length))
        request.end_headers()
        request.wfile.write(data)

    return answer


def mbox(*postings: Posting) -> bytes:
    """Return mails as public-inbox sends a thread."""
    separator = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"
    return gzip.compress(b"".join(separator + p.raw(n) + b"\n" for n, p in enumerate(postings)))


def link(archive: str, name: str) -> str:
    """Return the URL of a mail in an archive."""
    return f"{archive}/{urllib.parse.quote(name, safe='@')}/"
