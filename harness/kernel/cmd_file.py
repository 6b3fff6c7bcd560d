# SPDX-License-Identifier: GPL-2.0-only
"""The command line that kbuild keeps beside an object, to compile another source the same way."""

import shlex

#: What one argument to the kernel's execve may have (MAX_ARG_STRLEN); objects' have some thousand.
MAX_COMMAND = 128 << 10


def saved_command(text: str, target: str) -> list[str]:
    """Return the compiler's argv from the text of `.<object>.cmd`. Raises ValueError.

    What kbuild runs on the object afterwards (objtool, say) stands behind a semicolon.
    """
    for line in text.splitlines():
        name, found, command = line.partition(" := ")
        if found and name in (f"savedcmd_{target}", f"cmd_{target}"):
            if len(command) > MAX_COMMAND:
                raise ValueError(f"the command for {target} has {len(command)} characters")
            words = shlex.split(command)
            return words[: words.index(";")] if ";" in words else words
    raise ValueError(f"no command for {target} in it")


def compiling(argv: list[str], source: str, target: str) -> list[str]:
    """Return `argv` for another source and target, with debug information and without .d file.

    Raises ValueError where `argv` is no compilation of one source into one object.
    """
    if argv.count("-o") != 1 or argv.count("-c") != 1 or not argv[-1].endswith(".c"):
        raise ValueError(f"not understood: {shlex.join(argv)}")
    kept = [word for word in argv[:-1] if not word.startswith("-Wp,-MMD")]
    if kept[-1] == "-o":
        raise ValueError(f"not understood: {shlex.join(argv)}")
    kept[kept.index("-o") + 1] = target
    return [*kept, "-g", source]
