# SPDX-License-Identifier: GPL-2.0-only
"""Reads the mails of a series from its files.

A damaged mail is refused, with the command that fetches the raw one: archives wrap long lines, turn
tabs into spaces and hide addresses, and none of that is repaired.
"""

import contextlib
import functools
import hashlib
import re
import shlex
import urllib.parse
from pathlib import Path

import msgspec

from harness.errors import InputError, MachineError
from harness.events import Listener, Note, silent
from harness.host import units
from harness.host.cache import Cache
from harness.project.project import Project
from harness.project.series import Series
from harness.series import commits
from harness.series.mails import archive, b4
from harness.series.mails.fixes import on_top
from harness.series.mails.mail import MailError, PatchMail, introduced_by, parse_series
from harness.series.mails.messages import MAX_MAILS, MAX_MBOX_BYTES, Mail, is_message_id, read_mails
from harness.series.mails.select import Selected, select, version_of
from harness.series.source import (
    Commits,
    Mails,
    Merged,
    Message,
    Port,
    Posted,
    RebasedSource,
    Source,
    Without,
)

#: An old line of C whose indentation, at least one tab in the kernel, is spaces.
_SPACES = re.compile(r"^[ -] {7}", re.MULTILINE)
#: What `git format-patch --base` and b4 write below the cover letter or the first patch.
_BASE_COMMIT = re.compile(r"^base-commit: ([0-9a-f]{40})[ \t]*$", re.MULTILINE)
#: Files of a folder of patches; what `git format-patch`, mail programs and `b4 am` write.
_SUFFIXES = (".patch", ".eml", ".mbox", ".mbx", ".diff", ".txt")


class SourceMails(msgspec.Struct, frozen=True):
    """The patches of a source, its name, and the message-id it was posted with ("" for none).

    `sha256` has one digest per patch, of the mail or the port's file. `attestation` is what b4
    printed about each patch's signatures, if b4 fetched them. `cover` is the cover letter's mail,
    b"" if there is none; `base_commit` is the id in the mails' base-commit trailer, or "".
    """

    patches: tuple[PatchMail, ...]
    label: str
    sha256: tuple[str, ...]
    message_id: str = ""
    attestation: tuple[str, ...] = ()
    cover: bytes = b""
    base_commit: str = ""


def patches(
    project: Project, cache: Cache, slug: str, source: Source, listen: Listener = silent
) -> SourceMails:
    """Return the patches of a source. Raises InputError, MachineError."""
    series = project.series(slug)
    match source:
        case Port(base):
            return _port(project, series, base)
        case Mails():
            return _of_files(cache, series, source, listen)
        case Posted() | Message():
            return _of_archive(project, cache, slug, source, listen)
        case Commits():
            raw, cover = _mails_of(cache, source)
            parsed = _parsed(raw, source.repository, series)
            return SourceMails(
                parsed,
                f"branch {source.branch}" if source.branch else f"commits to {source.tip[:12]}",
                _digests(parsed),
                cover=cover,
                base_commit=source.base,
            )
        case RebasedSource(path, label, _):
            return _mails(path, series, label)
        case Merged(label=label) | Without(label=label):
            raise InputError("has commits, not patches", where=label, expected="WHAT")


# A command reads its patches for their title, their base, their claims, and to apply them.
_selected = functools.lru_cache(maxsize=4)(select)
_mails_of = functools.lru_cache(maxsize=4)(commits.mails)


def require_readable(project: Project, cache: Cache, slug: str, source: Source | None) -> None:
    """Raise InputError for an unknown series or posted version, or for damaged mails."""
    project.series(slug)
    if isinstance(source, Posted):
        archive.require_posted(project, slug, source.version)
    if isinstance(source, Port | Mails | Commits):
        patches(project, cache, slug, source)


def all_mails(project: Project, cache: Cache, slug: str, source: Source) -> tuple[Mail, ...]:
    """Return all mails of a source, replies among them."""
    match source:
        case Port(base):
            files = _files(project, slug, base)
        case Mails(path):
            files = _files_of(path)
        case RebasedSource(path):
            files = [path]
        case Posted() | Message():
            name = message_id(project, slug, source)
            files = [archive.fetch(cache, name, source.archive).path]
        case Commits() | Merged() | Without():
            found = patches(project, cache, slug, source)
            letters = (found.cover, *(patch.raw for patch in found.patches))
            return tuple(read_mails(raw)[0] for raw in letters if raw)
    return tuple(mail for file in files for mail in read_mails(_read(file)))


def message_id(project: Project, slug: str, source: Posted | Message) -> str:
    """Return the message-id that a source is fetched by. Raises InputError if it is unknown."""
    if isinstance(source, Message):
        return source.message_id
    return archive.require_posted(project, slug, source.version)[1]


def lost_tabs(patch: PatchMail) -> str | None:
    """Return a hint if a patch without any tab has spaces where the kernel has tabs, else None.

    A few files of the kernel are indented with spaces: ask this of patches that do not apply.
    """
    if any("\t" in hunk.text for hunk in patch.hunks):
        return None
    code = [hunk.text for hunk in patch.hunks if hunk.file.endswith((".c", ".h"))]
    return _command(patch.message_id) if any(map(_SPACES.search, code)) else None


def _port(project: Project, series: Series, base: str) -> SourceMails:
    if base not in series.ports:
        raise InputError(
            f"no port {base!r}",
            where=str(project.series_folder / series.slug / "ports"),
            expected=f"one of {', '.join(series.ports)}",
        )
    files = {file: _read(file) for file in _files(project, series.slug, base)}
    for file, raw in files.items():
        _require_whole(raw, file, series)
    folder = project.series_folder / series.slug / "ports" / base
    found = _parsed(b4.mbox(list(files.values())), folder, series)
    # b4.mbox() adds headers, so mails and files are matched by their bodies; a cover letter is
    # among the files only.
    digests = {_body(raw): _sha256(raw) for raw in files.values()}
    return SourceMails(found, f"port {base}", tuple(digests[_body(mail.raw)] for mail in found))


def _of_files(cache: Cache, series: Series, source: Mails, listen: Listener) -> SourceMails:
    """Return the series that b4 selects from an mbox, a maildir or a folder."""
    path = source.path
    files = _files_of(path)
    raw = _read(files[0])
    if path.is_dir():
        mails = [mail.raw for file in files for mail in read_mails(_read(file))]
        raw = b4.mbox(mails)
        if len(raw) > MAX_MBOX_BYTES:
            raise InputError("is over 64 MiB", where=str(path), expected="one series")
    label = f"mbox {path.name}" + (f" v{source.version}" if source.version else "")
    try:
        selected = _selected(cache, raw, source.version)
        found = _with_fixes(selected, label, with_fixes=source.with_fixes)
    except MailError as error:
        if path.is_dir():
            # Lines are counted per file.
            for file in files:
                _require_whole(_read(file), file, series)
        raise _damaged(error, raw, path, source.version, series) from error
    _name_others(selected, path.name, listen, with_fixes=source.with_fixes)
    return found


def _of_archive(
    project: Project, cache: Cache, slug: str, source: Posted | Message, listen: Listener
) -> SourceMails:
    """Return the series of a message, fetched from an archive unless it is cached."""
    name = message_id(project, slug, source)
    thread = archive.fetch(cache, name, source.archive, listen=listen)
    try:
        found = _of_thread(project, cache, slug, source, thread, listen)
    except InputError:
        if thread.is_new:
            raise
        # The rest may have been written since.
        with contextlib.suppress(MachineError):
            thread = archive.fetch(cache, name, source.archive, again=True, listen=listen)
        if not thread.is_new:
            raise
        found = _of_thread(project, cache, slug, source, thread, listen)
    return msgspec.structs.replace(found, message_id=name)


def _of_thread(
    project: Project,
    cache: Cache,
    slug: str,
    source: Posted | Message,
    thread: archive.Thread,
    listen: Listener,
) -> SourceMails:
    name = thread.note.message_id
    raw = _read(thread.path)
    mails = read_mails(raw)
    version = source.version or version_of(mails, name)
    label = f"v{version}" if isinstance(source, Posted) else f"mail {name[:100]}"
    if isinstance(source, Message) and source.version:
        label += f" v{source.version}"
    try:
        selected = _selected(cache, raw, version)
        if not source.version:
            _require_asked(selected, next(m for m in mails if m.message_id == name), source)
        found = _with_fixes(selected, label, with_fixes=source.with_fixes)
    except MailError as error:
        raise InputError(
            error.what,
            where=f"{thread.path}:{error.line}" if error.line else str(thread.path),
            expected="a whole series",
            hint=f"see the thread: {thread.note.archive}/{urllib.parse.quote(name, safe='@')}/T/",
        ) from error
    if isinstance(source, Posted):
        posted, _ = archive.require_posted(project, slug, source.version)
        if posted.patches not in (None, len(selected.patches)):
            raise InputError(
                f"v{source.version} has {len(selected.patches)} patches",
                where=str(thread.path),
                expected=f"{posted.patches} (series/{slug}/series.yaml)",
            )
    _name_others(selected, name, listen, with_fixes=source.with_fixes)
    # b4 shows one series: fixes are asked about alone.
    count = len(selected.patches)
    groups = [found.patches[:count], *((fix,) for fix in found.patches[count:])]
    lines = [archive.attested(cache, thread, group) for group in groups]
    attestation = tuple(line for group in lines for line in group) if all(lines) else ()
    return msgspec.structs.replace(found, attestation=attestation)


def _require_asked(selected: Selected, asked: Mail, source: Posted | Message) -> None:
    """Raise MailError if the mail that was asked for is a patch or cover letter of another series.

    Replies stand for the series that they answer.
    """
    taken = [patch.message_id for patch in selected.patches]
    taken += [mail.message_id or "" for mail in (selected.cover,) if mail]
    taken += [mail.message_id or "" for mail in selected.fixes if source.with_fixes]
    is_patch = asked.has_diff or (asked.tag is not None and asked.tag.number == 0)
    if is_patch and not asked.is_reply and asked.message_id not in taken:
        raise MailError(f"holds another series than that of: {asked.title}", asked.first_line)


def _with_fixes(selected: Selected, label: str, *, with_fixes: bool) -> SourceMails:
    """Return a selection with its fixes on top, if they are wanted. Raises MailError."""
    fixes = selected.fixes if with_fixes else ()
    chosen = on_top(selected.patches, fixes)
    if fixes:
        label += f" with {units.count(len(fixes), 'fix')}"
    found = SourceMails(chosen, label, _digests(chosen), introduced_by(selected.patches))
    return _with_cover(found, selected.cover)


def _name_others(selected: Selected, called: str, listen: Listener, *, with_fixes: bool) -> None:
    for mail in selected.fixes:
        how = "put on top" if with_fixes else "left out, a fix that --with-fixes takes"
        listen(Note(f"{how}: {mail.title} <{mail.message_id or called}>"))
    for mail in selected.left_out:
        listen(Note(f"left out: {mail.title} <{mail.message_id or called}>"))


def _with_cover(found: SourceMails, cover: Mail | None) -> SourceMails:
    """Return a series with its cover letter, and the base-commit trailer of that or a patch."""
    letters = (*([cover.raw] if cover else []), *(patch.raw for patch in found.patches))
    texts = (read_mails(raw)[0].text for raw in letters)
    named = {base for text in texts for base in _BASE_COMMIT.findall(text)}
    return msgspec.structs.replace(
        found,
        cover=cover.raw if cover else b"",
        base_commit=named.pop() if len(named) == 1 else "",
    )


def _cover_in(raw: bytes, version: int) -> Mail | None:
    """Return the cover letter in a file that holds one series."""
    covers = (
        mail
        for mail in read_mails(raw)
        if mail.tag and (mail.tag.number, mail.tag.version) == (0, version) and not mail.is_reply
    )
    return next(covers, None)


def holds_mails(folder: Path) -> bool:
    """Return whether a folder is a maildir or has files of mails."""
    return bool(_mails_in(folder))


def _mails_in(folder: Path) -> list[Path]:
    if (folder / "cur").is_dir() and (folder / "new").is_dir():
        found = [file for part in ("cur", "new") for file in (folder / part).iterdir()]
        return sorted(found, key=lambda file: file.name)
    return sorted(file for file in folder.iterdir() if file.name.endswith(_SUFFIXES))


def _files_of(path: Path) -> list[Path]:
    """Return an mbox, or the mails of a maildir or of a folder of patches, by name."""
    if not path.is_dir():
        return [path]
    found = _mails_in(path)
    if not found:
        is_kernel = commits.kernel_tree_at(path) is not None
        raise InputError(
            "holds no mails",
            where=str(path),
            expected=f"a maildir, or files that end in {', '.join(_SUFFIXES)}",
            hint="name a kernel tree with --repo" if is_kernel else None,
        )
    if len(found) > MAX_MAILS:
        raise InputError(f"holds over {MAX_MAILS} files", where=str(path), expected="one series")
    return found


def _mails(path: Path, series: Series, label: str) -> SourceMails:
    raw = _read(path)
    found = _parsed(raw, path, series)
    cover = _cover_in(raw, found[0].version)
    return _with_cover(SourceMails(found, label, _digests(found)), cover)


def _digests(found: tuple[PatchMail, ...]) -> tuple[str, ...]:
    return tuple(_sha256(mail.raw) for mail in found)


def _files(project: Project, slug: str, base: str) -> list[Path]:
    return sorted((project.series_folder / slug / "ports" / base).glob("*.patch"))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_MBOX_BYTES:
            raise InputError("is over 64 MiB", where=str(path), expected="an mbox of one series")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _require_whole(raw: bytes, file: Path, series: Series) -> None:
    """Raise InputError for a damaged patch, by its own file and line."""
    tag = read_mails(raw)[0].tag
    if tag is not None and tag.number == 0:
        return  # a cover letter
    try:
        parse_series(raw)
    except MailError as error:
        # Without a line the error is about the whole series, and this file is one patch of it.
        if error.line is not None:
            raise _damaged(error, raw, file, None, series) from error


def _parsed(raw: bytes, path: Path, series: Series) -> tuple[PatchMail, ...]:
    try:
        return parse_series(raw)
    except MailError as error:
        raise _damaged(error, raw, path, None, series) from error


def _damaged(
    error: MailError, raw: bytes, path: Path, version: int | None, series: Series
) -> InputError:
    line = error.line
    *_, mail = (m for m in read_mails(raw) if m.first_line <= (line or 1))
    covers = {v.version: v.cover for v in series.versions if v.version and v.cover}
    version = version or (mail.tag.version if mail.tag else None)
    message_id = mail.message_id or covers.get(version or 0) or ""
    known = ", ".join(f"v{number} is {cover}" for number, cover in covers.items())
    return InputError(
        error.what,
        where=f"{path}:{line}" if line else str(path),
        expected="a whole series as an mbox",
        hint=_command(message_id) + (f" ({known})" if known and not message_id else ""),
    )


def _command(message_id: str) -> str:
    named = shlex.quote(message_id) if is_message_id(message_id) else "MESSAGE-ID"
    return f"fetch the raw mail by its message-id: `b4 am {named}`"


def _body(mail: bytes) -> bytes:
    return mail.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n")


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
