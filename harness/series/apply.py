# SPDX-License-Identifier: GPL-2.0-only
"""A series on a tree: b4 applies it, one commit a patch, on a base that is pinned and checked.

Equal patches on an equal tree give equal commits on every machine, so what was applied once is
found again, and kernels built from it too.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.errors import DoesNotApply, HarnessError, InputError, ToolFailed
from harness.events import Began, Ended, Listener, silent
from harness.git.git import COMMITTER, Git
from harness.host import process
from harness.host.cache import Cache, publish
from harness.project.kernel import Tree
from harness.project.project import Project
from harness.project.series import Series
from harness.record.applied import Applied, Patch
from harness.series import b4, lore, mbox
from harness.series.mail import MailError, PatchMail, introduced_by, parse_series
from harness.series.messages import read_letters
from harness.trees.tree import checked_out, fetch

APPLY_S = 600
CLEAN_S = 120
#: A kernel series is kilobytes; what is larger is no series.
MAX_MBOX_BYTES = 64 << 20


class Port(msgspec.Struct, frozen=True, tag=True):
    """Our own implementation for a base: series/<slug>/ports/<base>/."""

    base: str


class Mbox(msgspec.Struct, frozen=True, tag=True):
    """A local mbox file; `version` chooses among several in it."""

    path: Path
    version: int | None = None


class Posted(msgspec.Struct, frozen=True, tag=True):
    """A posted version, fetched from lore."""

    version: int


class RebasedSource(msgspec.Struct, frozen=True, tag=True):
    """What `harness rebase` left of a series for a tree: an mbox, and what it is to be called.

    `version` is the posted one that was carried, if it was one.
    """

    path: Path
    label: str
    version: int | None = None


Source = Port | Mbox | Posted | RebasedSource


def posted_version(source: Source | None) -> int | None:
    """Return which posted version a source is, and so whose claims it answers to; None for ours."""
    return source.version if isinstance(source, Posted | RebasedSource) else None


def default_source(project: Project, slug: str, tree: Tree) -> Port:
    """Return the port for a tree: named like it, or like its release's first two numbers.

    Raises InputError when there is none.
    """
    ports = project.series(slug).ports
    for name in (tree.name, "v" + ".".join(tree.release.split("-")[0].split(".")[:2])):
        if name in ports:
            return Port(name)
    raise InputError(
        f"no port for {tree.name} ({tree.release})",
        where=str(project.series_folder / slug / "ports"),
        expected=f"one of {', '.join(ports)}" if ports else "a port",
        hint="choose with --port, --version or --mbox",
    )


def on_tree(
    project: Project,
    cache: Cache,
    slug: str,
    tree: str,
    source: Source | None,
    listen: Listener = silent,
) -> tuple[Tree, Applied]:
    """Fetch a tree by name and apply a series to it; `source` None takes the tree's port.

    What can be found wrong with the series alone is found before anything is fetched.
    """
    require_readable(project, cache, slug, source)
    kernel_tree = fetch(project, cache, tree, listen)
    source = source or default_source(project, slug, kernel_tree)
    return kernel_tree, apply(project, cache, slug, kernel_tree, source, listen)


def require_readable(project: Project, cache: Cache, slug: str, source: Source | None) -> None:
    """Raise InputError for an unknown series or posted version, or for damaged mails."""
    project.series(slug)
    if isinstance(source, Posted):
        lore.require_posted(project, slug, source.version)
    if isinstance(source, Port | Mbox):
        patches_of(project, cache, slug, source, silent)


def apply(
    project: Project,
    cache: Cache,
    slug: str,
    tree: Tree,
    source: Source,
    listen: Listener = silent,
) -> Applied:
    """Apply a series and tag base, every prefix and tip in the cache repository.

    Raises InputError for mails that are no complete or undamaged series, DoesNotApply naming patch,
    file and hunk.
    """
    given = patches_of(project, cache, slug, source, listen)
    label = given.label
    log = cache.log(f"apply-{tree.name}")
    repository = Git(cache.repository, log=log, deadline=process.Deadline(APPLY_S))
    patches = given.patches
    digest = hashlib.sha256(b"\0".join([tree.commit.encode(), *(p.raw for p in patches)]))
    kept = cache.applied / f"{slug}-{digest.hexdigest()[:24]}.json"
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        found = msgspec.json.decode(kept.read_bytes(), type=Applied)
        # The repository may have been pruned since; names may differ for the same patches.
        if repository.has_commit(found.tip):
            # Other patches of the same label and release may have taken the tags over.
            if repository.commit(f"refs/tags/{found.tags}/tip") != found.tip:
                _tag(repository, found)
            return msgspec.structs.replace(
                found,
                source=label,
                tree=tree.name,
                message_id=given.message_id,
                attestation=_attested(cache, slug, source),
                patches=tuple(
                    msgspec.structs.replace(patch, sha256=sha256)
                    for patch, sha256 in zip(found.patches, given.sha256, strict=True)
                ),
            )
    listen(Began(f"apply {slug} ({label}) to {tree.name}"))
    with cache.staging() as work, checked_out(cache, tree, tree.commit) as folder:
        worktree = Git(folder, log=repository.log, deadline=repository.deadline)
        try:
            commits = _shazam(worktree, tree, patches, work)
        except BaseException:
            # With time of its own, and silently: what went wrong before is what is to be told.
            cleaner = Git(folder, log=repository.log, deadline=process.Deadline(CLEAN_S))
            with contextlib.suppress(HarnessError):
                cleaner.clean_to(tree.commit)
            raise
        applied = Applied(
            slug=slug,
            source=label,
            tree=tree.name,
            release=tree.release,
            base=tree.commit,
            patches=tuple(
                Patch(p.number, p.subject, commit, worktree.patch_id(commit), sha256)
                for p, commit, sha256 in zip(patches, commits, given.sha256, strict=True)
            ),
            tags=f"series/{slug}/{_word(label)}/{tree.release}",
            message_id=given.message_id,
        )
        _tag(repository, applied)
        (work / "applied.json").write_bytes(msgspec.json.encode(applied))
        publish(work / "applied.json", kept)
    listen(Ended(f"applied {len(patches)} patches to {tree.name} ({tree.release})"))
    # Not kept with it: the same patches may come from somewhere else another time.
    attested = _attested(cache, slug, source)
    return msgspec.structs.replace(applied, attestation=attested)


def _attested(cache: Cache, slug: str, source: Source) -> tuple[str, ...]:
    """Return what b4 said of the signatures of patches that it fetched."""
    if not isinstance(source, Posted):
        return ()
    fetched = lore.noted(lore.place(cache, slug, source.version))
    return () if fetched is None else fetched.attestation


class SourceMails(NamedTuple):
    """The mails of a source, what to call it, a digest a patch, and the mail they came with."""

    patches: tuple[PatchMail, ...]
    label: str
    sha256: tuple[str, ...]
    message_id: str


def patches_of(
    project: Project, cache: Cache, slug: str, source: Source, listen: Listener
) -> SourceMails:
    """Return the mails of a source. Raises InputError, MachineError."""
    series = project.series(slug)
    match source:
        case Port(base):
            folder = project.series_folder / slug / "ports" / base
            if base not in series.ports:
                raise InputError(
                    f"no port {base!r}",
                    where=str(folder.parent),
                    expected=f"one of {', '.join(series.ports)}",
                )
            files = {file: _read(file) for file in sorted(folder.glob("*.patch"))}
            for file, raw in files.items():
                _require_whole(raw, file, series)
            patches = mbox.parsed(b4.mbox(list(files.values())), folder, None, series)
            # The mbox has headers that the files do not have; a cover letter is no mail of these.
            digests = {_body(raw): _sha256(raw) for raw in files.values()}
            of_files = tuple(digests[_body(mail.raw)] for mail in patches)
            return SourceMails(patches, f"port {base}", of_files, "")
        case Mbox(path, version):
            patches = mbox.parsed(_read(path), path, version, series)
            label, cover = f"mbox {path.name}", introduced_by(patches)
        case Posted(version):
            path = lore.fetch(project, cache, slug, version, listen)
            patches, note = mbox.parsed(_read(path), path, None, series), lore.noted(path)
            label, cover = f"v{version}", note.message_id if note else ""
        case RebasedSource(path, label, _):
            patches, cover = mbox.parsed(_read(path), path, None, series), ""
    return SourceMails(patches, label, tuple(_sha256(mail.raw) for mail in patches), cover)


def _body(mail: bytes) -> bytes:
    return mail.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n")


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_MBOX_BYTES:
            raise InputError("is over 64 MiB", where=str(path), expected="an mbox of one series")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _require_whole(raw: bytes, file: Path, series: Series) -> None:
    """Raise InputError for a damaged patch, by its own file and line."""
    tag = read_letters(raw)[0].tag
    if tag is not None and tag.number == 0:
        return  # a cover letter
    try:
        parse_series(raw)
    except MailError as error:
        # Without a line it is about the series, of which one file is but a part.
        if error.line is not None:
            mbox.parsed(raw, file, None, series)


def _shazam(worktree: Git, tree: Tree, patches: Sequence[PatchMail], work: Path) -> tuple[str, ...]:
    """Apply with b4 and return the commits, one a patch, on exactly the tree's commit."""
    (work / "home").mkdir()
    series = work / "series.mbx"
    series.write_bytes(b4.mbox([p.raw for p in patches]))
    env = COMMITTER | worktree.environment
    try:
        b4.shazam(
            worktree.folder,
            series,
            work / "home",
            env,
            log=worktree.log,
            deadline=worktree.deadline,
        )
    except ToolFailed as failed:
        worktree.clean_to(tree.commit)
        raise _first_failure(worktree, patches, work) or failed from failed
    commits = worktree.commits_since(tree.commit)
    subjects = [subject for _, subject in commits]
    wanted = [p.subject for p in patches]
    if subjects != wanted:
        raise DoesNotApply(
            f"b4 made {len(commits)} commits of {len(patches)} patches on {tree.name}",
            hint=f"the whole log is in {worktree.log}",
            detail="\n".join(subjects),
        )
    return tuple(commit for commit, _ in commits)


def _first_failure(worktree: Git, patches: Sequence[PatchMail], work: Path) -> HarnessError | None:
    """Apply patch by patch to say which one fails, in which file and hunk."""
    for patch in patches:
        file = work / f"{patch.number}.patch"
        file.write_bytes(b4.mbox([patch.raw]))
        told = worktree.check_patch(file)
        if told is not None:
            called = f"patch {patch.number}/{patch.total} ({patch.subject}) does not apply"
            fetch_it = mbox.lost_tabs(patch)
            if fetch_it is not None:
                return InputError(f"{called}: its tabs became spaces", where=told, hint=fetch_it)
            place, _, line = told.rpartition(":")
            hunk = next(
                (h for h in patch.hunks if (h.file, str(h.old_start)) == (place, line)), None
            )
            return DoesNotApply(
                called,
                where=told,
                hint="rebase it, or choose the tree it was made for",
                detail=hunk.text if hunk else None,
            )
        worktree.am(file)
    return None


def _tag(repository: Git, applied: Applied) -> None:
    repository.tag(f"{applied.tags}/base", applied.base)
    for patch in applied.patches:
        repository.tag(f"{applied.tags}/{patch.number}", patch.commit)
    repository.tag(f"{applied.tags}/tip", applied.tip)


def _word(label: str) -> str:
    """A label as it may stand in a tag's name."""
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in label)
    return kept.strip("-.").replace("..", "-")
