# SPDX-License-Identifier: GPL-2.0-only
"""Trees and mails that cannot be fetched: broken connections, damaged archives, full disks."""

import hashlib
import http.server
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes import git_server
from tests.fakes.mail_archive import Answer, Posting, answering, content, mbox, status
from tests.fakes.trees import edit, git
from tests.faults.scene import Ended, Scene
from tests.faults.table import fault

FETCH = ("tree", "fetch", "v7.2")


def packed(scene: Scene) -> Path:
    """Pack the tree into a tarball of 1 MB and enter it in trees.yaml with its SHA-256."""
    (scene.linux / "noise").write_bytes(bytes(range(256)) * 16 + hashlib.sha512(b"x").digest())
    (scene.linux / "random").write_bytes(
        b"".join(hashlib.sha512(bytes([n % 256, n // 256])).digest() for n in range(16384))
    )
    file = scene.folder / "linux.tar.xz"
    argv = ["tar", "-C", str(scene.folder), "--exclude=.git", "-cf", str(file), "--xz", "linux"]
    subprocess.run(argv, check=True)
    tarball(scene, str(file), file)
    return file


def tarball(scene: Scene, location: str, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    scene.trees({"provider": "tarball", "location": location, "sha256": digest})


@contextmanager
def served(file: Path, *, stop_at: float = 1.0, pause_s: float = 0.0) -> Iterator[str]:
    """Serve a part of a file with the Content-Length of all of it; then wait and close."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: int(len(data) * stop_at)])
            self.wfile.flush()
            time.sleep(pause_s)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{file.name}"
        server.shutdown()


@fault(
    "fetch-cut",
    "the server closes the connection in the middle of the tarball",
    69,
    r"http://\S+: the download ended after \d+ of \d+ bytes\. Try again",
    quick=True,
)
def _(scene: Scene) -> Ended:
    file = packed(scene)
    with served(file, stop_at=0.5) as url:
        tarball(scene, url, file)
        return scene.harness(*FETCH)


@fault(
    "fetch-stalls",
    "the server stops sending in the middle of the tarball",
    69,
    r"http://\S+: cannot be fetched: .*timed out.*Check the network",
)
def _(scene: Scene) -> Ended:
    file = packed(scene)
    with served(file, stop_at=0.5, pause_s=6) as url:
        tarball(scene, url, file)
        return scene.harness(*FETCH, patience="import harness.host.http as h; h.SILENCE_S = 1")


@fault(
    "fetch-truncated",
    "the tarball is truncated",
    2,
    r"linux\.tar\.xz: has SHA-256 [0-9a-f]{64}; expected [0-9a-f]{64} \(trees\.yaml\)",
)
def _(scene: Scene) -> Ended:
    file = packed(scene)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    return scene.harness(*FETCH)


@fault(
    "fetch-corrupt",
    "the tarball has the right SHA-256, but corrupt compressed data",
    2,
    r"linux\.tar\.xz: cannot be read: .*[Cc]orrupt",
)
def _(scene: Scene) -> Ended:
    file = packed(scene)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))
    tarball(scene, str(file), file)
    return scene.harness(*FETCH)


@fault(
    "fetch-no-tree",
    "the tarball has no kernel in it",
    2,
    r"is not a kernel tree; expected a Kconfig, and a Makefile",
)
def _(scene: Scene) -> Ended:
    (scene.linux / "Kconfig").unlink()
    packed(scene)
    return scene.harness(*FETCH)


@fault(
    "fetch-no-room",
    "the cache's file system has too little room for a tree",
    69,
    r"GiB free, too little for a kernel tree; expected \d.* GiB\. Free some space or set XDG_CACHE",
)
def _(scene: Scene) -> Ended:
    packed(scene)
    return scene.harness(*FETCH, before=tmpfs(scene.cache.parent, "1M"))


@fault(
    "fetch-disk-full",
    "the disk fills up while the tree is unpacked",
    69,
    r"no space left|No space left",
)
def _(scene: Scene) -> Ended:
    packed(scene)
    patience = "import harness.trees.tarball as t; t.ROOM_BYTES = 0"
    return scene.harness(*FETCH, before=tmpfs(scene.cache.parent, "2M"), patience=patience)


@fault(
    "fetch-file-limit",
    "the limit on file sizes (ulimit -f) is reached while the tree is unpacked",
    69,
    r"file too large|File too large|SIGXFSZ",
)
def _(scene: Scene) -> Ended:
    packed(scene)
    return scene.harness(*FETCH, before=["prlimit", "--fsize=400000"])


@fault(
    "fetch-repository-damaged",
    "the user's git repository lacks objects of the commit",
    2,
    r"objects of v7\.2 are missing: 1, the first [0-9a-f]{12}; expected a whole repository",
)
def _(scene: Scene) -> Ended:
    tree = git(scene.linux, "rev-parse", "v7.2^{tree}")
    (scene.linux / ".git/objects" / tree[:2] / tree[2:]).unlink()
    return scene.harness(*FETCH)


@fault(
    "fetch-git-unreachable",
    "the network is down, or the host of a git tree is unknown",
    69,
    r"http://\S+: cannot be fetched: Could not resolve host: \S+\. Check the URL and the network",
    quick=True,
)
def _(scene: Scene) -> Ended:
    scene.trees({"provider": "git", "repository": "http://harness.invalid/l.git", "ref": "main"})
    return scene.harness(*FETCH)


@fault(
    "fetch-git-silent",
    "the server of a git tree takes the connection and says nothing",
    69,
    r"http://\S+: does not answer within 1 s\. Check the URL and the network",
)
def _(scene: Scene) -> Ended:
    patience = "import harness.trees.git_source as g; g.ANSWER_S = 1"
    with git_server.mute() as url:
        scene.trees({"provider": "git", "repository": f"{url}/l.git", "ref": "main"})
        return scene.harness(*FETCH, patience=patience)


@fault(
    "fetch-git-stalls",
    "the server of a git tree answers, but sends no objects",
    69,
    r"http://\S+: cannot be fetched: .*too slow.*\. Check the URL and the network",
)
def _(scene: Scene) -> Ended:
    patience = "import harness.trees.git_source as g; g.SILENCE['GIT_HTTP_LOW_SPEED_TIME'] = '1'"
    with git_server.served(scene.folder, stall_s=6) as (url, _):
        scene.trees({"provider": "git", "repository": f"{url}/linux/.git", "ref": "v7.2"})
        return scene.harness(*FETCH, patience=patience)


@fault(
    "fetch-git-ref-gone",
    "the branch of a git tree no longer exists",
    2,
    r"http://\S+: no ref 'mm-gone'; expected a tag, branch or commit of it",
)
def _(scene: Scene) -> Ended:
    with git_server.served(scene.folder) as (url, _):
        scene.trees({"provider": "git", "repository": f"{url}/linux/.git", "ref": "mm-gone"})
        return scene.harness(*FETCH)


@fault(
    "fetch-base-unknown",
    "the mails name a base-commit that no repository has",
    0,
    r"1{12}, the patches' base-commit, cannot be had: no repository that answers has it",
)
def _(scene: Scene) -> Ended:
    file = scene.mbox()
    text = file.read_text().replace("\n-- \n", f"\nbase-commit: {'1' * 40}\n-- \n", 1)
    file.write_text(text)
    return scene.harness("apply", str(file))


@fault(
    "fetch-git-killed",
    "the OOM killer kills git while the tree is committed",
    69,
    r"git add was killed by SIGKILL.*The whole log is in",
)
def _(scene: Scene) -> Ended:
    packed(scene)
    real = shutil.which("git")
    scene.program("git", f'case " $* " in *" add "*) kill -9 $$ ;; esac\nexec {real} "$@"')
    return scene.harness(*FETCH)


@fault(
    "fetch-killed",
    "the harness is killed (SIGKILL) while the tree is committed, and run again",
    0,
    r"v7\.2  v7\.2\.99  [0-9a-f]{12}  tarball sha256",
)
def _(scene: Scene) -> Ended:
    packed(scene)
    return scene.killed_at("commit 7.2.99", *FETCH)


@fault(
    "fetch-two-at-once",
    "two runs fetch the same tree at the same time",
    0,
    r"v7\.2  v7\.2\.99  [0-9a-f]{12}  tarball sha256",
)
def _(scene: Scene) -> Ended:
    packed(scene)
    first = scene.start(*FETCH)
    second = scene.harness(*FETCH)
    stdout, stderr = first.communicate(timeout=60)
    assert first.returncode == 0, stderr
    assert stdout == second.stdout
    assert (stderr + second.stderr).count("commit 7.2.99") == 1, "the work was done twice"
    return second


@fault(
    "fetch-apt-missing",
    "apt is not installed, and the tree is a Debian source package",
    69,
    r"apt-get is not installed, and provider debian-source needs it\. Define a git or tarball tree",
)
def _(scene: Scene) -> Ended:
    scene.without("apt-get")
    scene.trees({"provider": "debian-source", "version": "7.2"})
    edit(scene.root / "configs/trees.yaml", "}", ", suites: [sid]}")
    return scene.harness(*FETCH)


@fault(
    "fetch-apt-hangs",
    "apt-get hangs",
    69,
    r"apt-get did not end within 2 s and was killed",
)
def _(scene: Scene) -> Ended:
    scene.program("apt-get", "sleep 1000")
    scene.trees({"provider": "debian-source", "version": "7.2"})
    edit(scene.root / "configs/trees.yaml", "}", ", suites: [sid]}")
    return scene.harness(*FETCH, patience="import harness.trees.tree as t; t.FETCH_S = 2")


def tmpfs(folder: Path, size: str) -> list[str]:
    """Return a command prefix that mounts a file system of this size on `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    return ["unshare", "--mount", "--map-root-user", "sh", "-c", script, str(folder)]


ASKED = "one@example.org"
THREAD = mbox(Posting("other@example.org", "[PATCH] mm: other", "Text.\n"))


def _from_archive(scene: Scene, answer: Answer, patience: str = "") -> Ended:
    scene.env["no_proxy"] = "127.0.0.1"
    with answering(answer) as url:
        return scene.harness("apply", ASKED, "--archive", url, patience=patience)


@fault(
    "fetch-mail-unknown",
    "the mail archive does not have the message",
    2,
    r"http://\S+: has no mail <one@example\.org>\. Check the message-id",
    quick=True,
)
def _(scene: Scene) -> Ended:
    return _from_archive(scene, status(404))


@fault(
    "fetch-mail-page",
    "the mail archive sends a web page instead of a mailbox",
    69,
    r"http://\S+: does not send a mailbox, or a damaged one\. Check the network and the archive",
    quick=True,
)
def _(scene: Scene) -> Ended:
    return _from_archive(scene, content(b"<html>Log in</html>"))


@fault(
    "fetch-mail-other",
    "the mail archive sends another thread",
    69,
    r"http://\S+: sends a thread without <one@example\.org>, or nothing",
    quick=True,
)
def _(scene: Scene) -> Ended:
    return _from_archive(scene, content(THREAD))


@fault(
    "fetch-mail-cut",
    "the mail archive closes the connection in the middle of a thread",
    69,
    r"http://\S+: its answer is cut off\. Check the network and the archive",
    quick=True,
)
def _(scene: Scene) -> Ended:
    return _from_archive(scene, content(THREAD[:50], len(THREAD)))


@fault(
    "fetch-mail-slow",
    "the mail archive does not answer",
    69,
    r"http://\S+: does not send the thread of <one@example\.org> within 1 s",
)
def _(scene: Scene) -> Ended:
    return _from_archive(
        scene,
        lambda _: time.sleep(9),
        patience="import harness.series.mails.archive as a; a.FETCH_S = 1",
    )
