# SPDX-License-Identifier: GPL-2.0-only
"""Reads the command that kbuild saved for an object, to compile another source with it. Pure."""

import shlex

#: MAX_ARG_STRLEN, execve's limit of one argument; real commands have some thousand characters.
_MAX_COMMAND = 128 << 10


def saved_command(text: str, target: str) -> list[str]:
    """Return the compiler's argv from the text of `.<object>.cmd`. Raises ValueError.

    Later commands on the object (objtool, say) follow after a semicolon and are left out.
    """
    words = shlex.split(_saved(text, target))
    return words[: words.index(";")] if ";" in words else words


def saved_commands(text: str, target: str) -> list[list[str]]:
    """Return the argvs of all commands that make an object, in order.

    Raises ValueError if they need a shell for more than quotes and semicolons.
    """
    command = _saved(text, target)
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if word == ";":
            found.append([])
        elif set(word) <= set("();<>|&") or "$" in word or "`" in word:
            raise ValueError(f"needs a shell: {command[:200]}")
        else:
            found[-1].append(word)
    return [argv for argv in found if argv]


def _saved(text: str, target: str) -> str:
    for line in text.splitlines():
        name, found, command = line.partition(" := ")
        if found and name in (f"savedcmd_{target}", f"cmd_{target}"):
            if len(command) > _MAX_COMMAND:
                raise ValueError(f"the command for {target} has {len(command)} characters")
            return command
    raise ValueError(f"no command for {target} in it")


def compiling(argv: list[str], source: str, target: str) -> list[str]:
    """Return `argv` for another source and target, with -g and without a .d file.

    Raises ValueError if `argv` does not compile one source into one object.
    """
    if argv.count("-o") != 1 or argv.count("-c") != 1 or not argv[-1].endswith(".c"):
        raise ValueError(f"does not compile one source: {shlex.join(argv)}")
    kept = [word for word in argv[:-1] if not word.startswith("-Wp,-MMD")]
    if kept[-1] == "-o":
        raise ValueError(f"does not compile one source: {shlex.join(argv)}")
    kept[kept.index("-o") + 1] = target
    return [*kept, "-g", source]
