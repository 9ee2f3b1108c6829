"""A parser for people: grouped commands, defaults in the help, and hints where a word is wrong."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from cmrseg.runtime.errors import EXIT_USAGE, UsageError


class Help(argparse.RawDescriptionHelpFormatter):
    """Help with defaults; commands come under the headings that their parser has for them."""

    groups: Mapping[str, Sequence[str]]

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told, default = action.help or "", action.default
        plain = default in (None, argparse.SUPPRESS) or isinstance(default, bool)
        plain = plain or not action.option_strings or "default" in told
        return told if plain else f"{told} (default: %(default)s)"

    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        if not isinstance(action, argparse._SubParsersAction):
            return text
        lines = []
        for line in text.splitlines():
            first = line.split()[:1]
            heads = [title for title, names in self.groups.items() if first == [names[0]]]
            lines += [f"\n  {title}:" for title in heads] + [line]
        return "\n".join(lines) + "\n"


class Parser(argparse.ArgumentParser):
    """A command's parser.

    Args:
        example: shown at the end of the help.
        groups: heading -> names of the commands under it.
        told: what ``argparse.ArgumentParser`` takes.
    """

    def __init__(
        self, *, example: str = "", groups: Mapping[str, Sequence[str]] | None = None, **told: Any
    ) -> None:
        if example:
            told["epilog"] = f"example: {example}"
        named = type("Help", (Help,), {"groups": groups or {}})
        super().__init__(**{"formatter_class": named, **told})

    def format_usage(self) -> str:
        """One line: options are listed in the help."""
        return f"usage: {self._short()}\n"

    def format_help(self) -> str:
        """The help under that one line."""
        self.usage = self._short()
        return super().format_help()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; an option that there is none of ends the program with the nearest ones."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            known = self._option_string_actions
            self.error(f"{rest[0]} is not known here{hint(rest[0].partition('=')[0], known)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """End the program: usage in a line, what was wrong, and where the help is."""
        told = f"{self.prog}: error: {message}\n{self.prog} --help lists what there is.\n"
        self.exit(EXIT_USAGE, self.format_usage() + told)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        told = f"{value} is none of {', '.join(known)}{hint(str(value), known)}"
        if action.dest == "challenge" and Path(str(value)).exists():
            told = f"{value} is a path: the recipe comes first ({self._short()})"
        raise argparse.ArgumentError(action, told)

    def _short(self) -> str:
        words = [self.prog]
        for action in self._actions:
            if not action.option_strings and action.help != argparse.SUPPRESS:
                name = str(action.metavar or action.dest.upper())
                words.append(f"[{name}]" if action.nargs == "?" else name)
            elif action.required:
                words.append(f"{action.option_strings[0]} {action.metavar or action.dest.upper()}")
        return " ".join([*words, "[options]"])


def hint(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` for a word that is nearly a known one; else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class ForRecipe(argparse.Action):
    """Stores an option's value, and notes that the option is one recipe's alone.

    Args:
        recipe: which.
        told: what ``argparse.Action`` takes.
    """

    def __init__(self, *, recipe: str, **told: Any) -> None:
        super().__init__(**told)
        self.recipe = recipe
        self.help = f"{recipe}: {self.help}"

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store and note."""
        setattr(namespace, self.dest, values)
        noted = getattr(namespace, "for_recipe", {})
        namespace.for_recipe = {**noted, str(option_string): self.recipe}


def check_recipe(o: argparse.Namespace) -> None:
    """Refuse options of another recipe than the one that was named.

    Raises:
        UsageError: there is one.
    """
    for option, recipe in getattr(o, "for_recipe", {}).items():
        if recipe != o.challenge:
            raise UsageError(
                f"{option} is an option of {recipe}, the recipe is {o.challenge}", "leave it out"
            )
