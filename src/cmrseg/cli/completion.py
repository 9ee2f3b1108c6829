"""Shell completion: commands, options and choices, made from the parser."""

from __future__ import annotations

import argparse

from cmrseg.runtime.errors import EXIT_OK

BASH = """\
_{name}() {{
    local words
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    [ "$COMP_CWORD" -gt 1 ] || words="{commands}"
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _{name} {prog}
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"
"""zsh runs bash's functions."""


def add_completion(p: argparse.ArgumentParser, top: argparse.ArgumentParser) -> None:
    """`completion` of the program that ``top`` parses."""
    p.description = f'Print a script: eval "$({top.prog} completion bash)" in ~/.bashrc.'
    p.add_argument("shell", choices=("bash", "zsh"), help="which shell")
    p.set_defaults(run=lambda o: _run(o.shell, top))


def _run(shell: str, top: argparse.ArgumentParser) -> int:
    print((ZSH if shell == "zsh" else "") + script(top), end="")
    return EXIT_OK


def script(top: argparse.ArgumentParser) -> str:
    """The function that bash calls."""
    (commands,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    cases = (
        f'        {name}) words="{" ".join(_words(p))}" ;;' for name, p in commands.choices.items()
    )
    return BASH.format(
        prog=top.prog,
        name=top.prog.replace("-", "_"),
        commands=" ".join(commands.choices),
        cases="\n".join(cases),
    )


def _words(p: argparse.ArgumentParser) -> list[str]:
    """Options, and what positional arguments may be."""
    words: list[str] = []
    for action in p._actions:
        words += action.option_strings or map(str, action.choices or ())
    return words
