# SPDX-License-Identifier: GPL-2.0-only
"""Finds out what a command's argument WHAT means: a series that is kept here, mails, or commits."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import InputError
from harness.events import Event, Listener, Note, silent
from harness.git.git import ForeignGit
from harness.host import units
from harness.host.cache import Cache
from harness.project.project import DEFAULT_SERIES, Project
from harness.series import commits, merged, read
from harness.series.mails import archive
from harness.series.mails.archive_url import parse_link
from harness.series.mails.messages import is_message_id, read_mails
from harness.series.source import (
    Commits,
    MailChoice,
    Mails,
    Message,
    Port,
    Posted,
    Source,
    Without,
)

#: These prefixes make a text a path, and nothing else.
_PATHS = ("/", "./", "../", "~")
#: What follows the @ of a file or slug; no mail's host is called so.
_VERSION = re.compile(r"@v?\d+(?:\.\d+)*(?:-rc\d+)?$", re.ASCII)
_NUMBER = re.compile(r"v?(\d{1,4})", re.ASCII)
_WORD = re.compile(r"[^a-z0-9]+")
#: results/ has folders of these names.
_RESERVED = ("matrix", "index")
MAX_SLUG = 48
_ANY = MailChoice()

P = TypeVar("P", Posted, Message)


class Unknown(InputError):
    """A text has no meaning."""


class Given(msgspec.Struct, frozen=True):
    """What to work on: a slug, its patches (None: the port for the tree), and how it was found.

    `note` is one line for the user, "" if there is nothing to say. `repository` is the user's
    kernel tree, if there is one.
    """

    slug: str
    source: Source | None = None
    note: str = ""
    repository: Path | None = None


class _Meaning(msgspec.Struct, frozen=True):
    """One thing that a text may mean, how to say only that, and what it then is."""

    name: str
    force: str
    given: Callable[[], Given]


def understand(
    project: Project,
    cache: Cache,
    text: str | None,
    repository: Path | None = None,
    listen: Listener = silent,
    *,
    choice: MailChoice = _ANY,
) -> Given:
    """Return what an argument WHAT means; without one, the branch of the kernel tree one is in.

    `repository` None is that kernel tree. `choice` is for a text that means mails. Raises
    InputError for a text with no meaning, or with two.
    """
    place = repository or commits.kernel_tree_at(Path.cwd())
    this = _Reader(project, cache, place, listen, choice)
    if text is None:
        return this.default()
    meanings = this.meanings(text)
    if not meanings:
        raise this.unknown(text)
    if len(meanings) > 1:
        raise InputError(
            f"has {len(meanings)} meanings: {' and '.join(one.name for one in meanings)}",
            where=text,
            expected=" or ".join(f"`{one.force}`" for one in meanings),
        )
    return meanings[0].given()


def mails_of(
    project: Project, cache: Cache, text: str, choice: MailChoice
) -> tuple[str, Posted | Message]:
    """Return the slug and source of a text that names posted mails; the slug is "" for none.

    Raises InputError for a text that names none.
    """
    place = commits.kernel_tree_at(Path.cwd())
    return _Reader(project, cache, place, silent, choice).posted(text)


def compared(
    project: Project,
    cache: Cache,
    repository: Path | None,
    base: str | None,
    tip: str,
    reverted: Sequence[str],
) -> Given:
    """Return two commits to compare: `base` and `tip`, or `tip` with and without some commits.

    `repository` None is the kernel tree that one is in. Raises InputError.
    """
    place = repository or commits.kernel_tree_at(Path.cwd())
    if place is None:
        raise InputError(
            "needs a repository", where="--tip", expected="--repo, or a kernel tree as this folder"
        )
    if bool(base) == bool(reverted):
        raise InputError(
            "needs another commit to compare with" if not base else "given with --base",
            where="--tip" if not base else "--without",
            expected="one of --base and --without",
        )
    source = (
        merged.between(cache, place, base, tip)
        if base
        else merged.without(cache, place, tip, reverted)
    )
    count = len(source.commits) if isinstance(source, Without) else 0
    what = f"with and without {units.count(count, 'commit')}" if count else "compared"
    note = f"{source.label} of {source.repository}, {what}"
    name = source.label if base else f"{source.label} without {' '.join(reverted)}"
    return Given(slug_of(project, name, "commits"), source, note, source.repository)


def slug_of(project: Project, title: str, kind: str = "mails") -> str:
    """Return a slug made from a title or branch; never that of a series of series/."""
    words = [word for word in _WORD.split(title.lower()) if word]
    made = ""
    for word in words:
        if len(made) + len(word) >= MAX_SLUG:
            break
        made = f"{made}-{word}" if made else word
    made = made or (words[0][:MAX_SLUG] if words else kind)
    return f"{made}-{kind}" if made in (*project.slugs(), *_RESERVED) else made


class _Reader:
    def __init__(
        self,
        project: Project,
        cache: Cache,
        repository: Path | None,
        listen: Listener,
        choice: MailChoice,
    ) -> None:
        self._project, self._cache, self._listen = project, cache, listen
        self._version = choice.version
        self._choice = choice
        self._repository = repository
        self._git: ForeignGit | None = None

    def default(self) -> Given:
        """Return the meaning of no argument."""
        if self._repository is None:
            return Given(DEFAULT_SERIES)
        git = self._opened(self._repository)
        return self._of_commits(commits.current(git))

    def meanings(self, text: str) -> list[_Meaning]:
        """Return everything that a text may mean."""
        if not text or "\0" in text:
            return []
        if text.startswith(_PATHS):
            return list(self._path(text))
        if text.startswith("series/") and (found := self._slug(text.removeprefix("series/"))):
            return found
        if text.startswith("refs/"):
            return self._revision(text)
        if "://" in text:
            return self._url(text)
        if text.startswith("<") and text.endswith(">"):
            return self._message(text)
        # NAME@VERSION has the form of a message-id.
        mails = [] if _VERSION.search(text) else self._message(text)
        return [*self._slug(text), *self._path(text), *mails, *self._revision(text)]

    def unknown(self, text: str) -> InputError:
        """Return the error for a text without a meaning."""
        known = ", ".join(self._project.slugs())
        place = f", nor a revision of {self._repository}" if self._repository else ""
        return Unknown(
            f"is not a series, a file, a message-id or a URL{place}",
            where=text or "WHAT",
            expected=f"a series ({known}), a file or folder of mails, a message-id, the URL of a "
            "mail, a branch or a range A..B",
            hint=None if place else "branches need --repo, or a kernel tree as the current folder",
        )

    def _slug(self, text: str) -> list[_Meaning]:
        slug, mark, what = text.partition("@")
        if slug not in self._project.slugs():
            return []
        source: Source | None = None
        if mark:
            series = self._project.series(slug)
            number = what.removeprefix("v")
            if number.isdigit() and int(number) in [v.version for v in series.versions]:
                source = Posted(int(number))
            elif what in series.ports:
                source = Port(what)
            else:
                return []
        if source is None and self._version is not None:
            source = Posted(self._version)
        note = ""
        if mark:
            which = "as posted" if isinstance(source, Posted) else "our port"
            note = f"the series {slug}, {which}: {what}"

        def given() -> Given:
            own = self._of_archive(source) if isinstance(source, Posted) else source
            return Given(slug, own, note, self._repository)

        return [_Meaning(f"a series ({slug})", f"series/{text}", given)]

    def _path(self, text: str) -> list[_Meaning]:
        try:
            path = Path(text).expanduser()
            version = self._version
            file, _, name = text.rpartition("@")
            if (number := _NUMBER.fullmatch(name)) and not path.exists():
                path, version = Path(file).expanduser(), int(number[1])
            if not path.exists():
                return []
            full = path.resolve()
        except (OSError, ValueError, RuntimeError):  # too long, or a ~user that does not exist
            return []
        folder = self._project.series_folder.resolve()
        if full.parent == folder and full.name in self._project.slugs():
            return self._slug(full.name)
        forced = text.startswith(_PATHS)
        if path.is_dir() and not forced and not read.holds_mails(path):
            return []  # a branch may be called as a folder of the kernel is
        kind = "a folder" if path.is_dir() else "a file"

        def given() -> Given:
            source = Mails(path, version, self._choice.with_fixes)
            found = read.patches(self._project, self._cache, "", source)
            return self._of_mails(source, found, f"the mails in {path}")

        force = text if forced else f"./{text}"
        return [_Meaning(f"{kind} ({path})", force, given)]

    def _url(self, text: str) -> list[_Meaning]:
        link = parse_link(text)
        if link is None:
            raise InputError(
                "is not the URL of a mail in a public-inbox",
                where=text,
                expected="https://ARCHIVE/LIST/MESSAGE-ID/",
            )
        return [self._meaning_of_message(link[1], link[0], text)]

    def _message(self, text: str) -> list[_Meaning]:
        name = text.strip("<>")
        return [self._meaning_of_message(name, "", f"<{name}>")] if is_message_id(name) else []

    def posted(self, text: str) -> tuple[str, Posted | Message]:
        """Return what `mails_of` does."""
        for meaning in self._slug(text):
            given = meaning.given()
            if isinstance(given.source, Posted):
                return given.slug, given.source
            raise InputError(
                "is not a posted version", where=text, expected=f"{given.slug}@vN, or --version N"
            )
        link = parse_link(text) or ("", text.removeprefix("<").removesuffix(">"))
        if not is_message_id(link[1]):
            raise self.unknown(text)
        return self._of_message(link[1], link[0])

    def _of_message(self, name: str, link: str) -> tuple[str, Posted | Message]:
        """Return the series of series/ that a message-id belongs to, or "", and its source."""
        for slug in () if link else self._project.slugs():
            for version in self._project.series(slug).versions:
                if version.cover == name and version.version is not None:
                    return slug, self._of_archive(Posted(version.version))
                if version.cover == name:
                    return slug, self._of_archive(Message(name))
        return "", self._of_archive(Message(name, self._version), link)

    def _of_archive(self, source: P, link: str = "") -> P:
        """Return a source with its archive: the one that is named, else the user's own."""
        named = self._choice.archive or link
        if not named and self._repository is not None:
            named = archive.of_repository(self._cache, self._repository)
        return msgspec.structs.replace(source, archive=named, with_fixes=self._choice.with_fixes)

    def _steps(self, event: Event) -> None:
        """Pass on what takes time; notes come when the patches are applied."""
        if not isinstance(event, Note):
            self._listen(event)

    def _meaning_of_message(self, name: str, link: str, force: str) -> _Meaning:
        def given() -> Given:
            slug, source = self._of_message(name, link)
            if slug:
                which = f"v{source.version}" if isinstance(source, Posted) else "a posting"
                note = f"<{name}>, {which} of the series {slug}"
                return Given(slug, source, note, self._repository)
            found = read.patches(self._project, self._cache, "", source, self._steps)
            return self._of_mails(source, found, f"the thread of <{name}>")

        return _Meaning(f"a message-id (<{name}>)", force, given)

    def _revision(self, text: str) -> list[_Meaning]:
        if self._repository is None:
            return []
        git = self._opened(self._repository)
        return [
            _Meaning(
                f"{'a range' if '..' in name else 'a revision'} ({name} of {git.folder})",
                name,
                lambda name=name: self._of_commits(  # type: ignore[misc]
                    commits.understood(git, name)
                ),
            )
            for name in commits.has(git, text)
        ]

    def _opened(self, repository: Path) -> ForeignGit:
        if self._git is None:
            self._git = commits.opened(self._cache, repository)
        return self._git

    def _of_mails(self, source: Source, found: read.SourceMails, called: str) -> Given:
        letter = read_mails(found.cover)[0].title if found.cover else found.patches[0].subject
        note = f"{called}: {units.count(len(found.patches), 'patch')}, {letter}"
        return Given(slug_of(self._project, letter), source, note, self._repository)

    def _of_commits(self, found: commits.Understood) -> Given:
        source: Commits = found.commits
        title = source.branch.removeprefix("b4/")
        if not title:
            mails = read.patches(self._project, self._cache, "", source)
            title = mails.patches[0].subject
        slug = slug_of(self._project, title, "branch")
        return Given(slug, source, found.note, source.repository)
