# SPDX-License-Identifier: GPL-2.0-only
"""Whether the diffs of mails, put together where an archive wrapped them, apply to a tree."""

from harness import proc
from harness.cache import Cache
from harness.errors import DoesNotApply
from harness.events import Listener, nobody
from harness.inputs import Project
from harness.parse.letters import read_letters
from harness.parse.mail import MailError
from harness.parse.wrapped import Mended, Restorer
from harness.stages.tree import checked_out, fetch
from harness.tools.git import Git

CHECK_S = 600


def applying(
    project: Project,
    cache: Cache,
    name: str,
    mended: Mended,
    where: str,
    listen: Listener = nobody,
) -> bytes:
    """Return the mails as they apply to a tree by git's own check: with their tabs, in order.

    Raises DoesNotApply, naming file and line.
    """
    tree = fetch(project, cache, name, listen)
    letters = [letter for letter in read_letters(mended.raw) if not letter.is_reply]
    letters.sort(key=lambda letter: letter.tag.number if letter.tag else 0)
    with cache.staging() as work, checked_out(cache, tree, tree.commit) as folder:
        git = Git(folder, log=cache.log("patch-check"), deadline=proc.Deadline(CHECK_S))
        mails = [letter.raw for letter in letters]
        if mended.tabs_unsure:
            restorer = Restorer(lambda path: git.content(tree.commit, path))
            try:
                mails = [restorer.restore(mail) for mail in mails]
            except MailError as error:
                raise DoesNotApply(
                    f"the patch's tabs became spaces, and {error.what}",
                    where=where,
                    expected=f"a patch for {name} ({tree.release})",
                ) from error
        file = work / "mails.patch"
        # In one file: then each is checked on what those before it leave. Decoded, as git am would.
        texts = [letter.text for mail in mails for letter in read_letters(mail)]
        file.write_text("\n".join(texts), encoding="utf-8")
        told = git.check_patch(file)
    if told is not None:
        raise DoesNotApply(f"the patch does not apply to {name} ({tree.release})", where=told)
    return b"".join(mails)
