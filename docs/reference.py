"""Reference made from the code: ``<!-- generated: WHAT ... -->`` in a page becomes a section.

WHAT is ``commands PROGRAM``, ``python MODULE NAME ...``, ``exit codes`` or ``sockets``.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
MARK = re.compile(r"<!-- generated: ([^>]+?) -->")
SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Yields")


def fill(markdown: str) -> str:
    """A page with its marks replaced."""
    return MARK.sub(lambda found: _made(found[1].split()), markdown)


def _made(what: list[str]) -> str:
    kind, *rest = what
    if kind == "commands":
        return commands(parser(rest[0]))
    if kind == "python":
        return "\n\n".join(member(rest[0], name) for name in rest[1:])
    return {"exit": exit_codes, "sockets": sockets}[kind]()


def parser(program: str) -> argparse.ArgumentParser:
    """All commands of ``cmrseg`` or ``cmrseg-lab``."""
    made = import_module(f"{program.replace('-', '_')}.cli.main").parser()
    assert isinstance(made, argparse.ArgumentParser)
    return made


def subparsers(p: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Name -> help and parser of each command."""
    for action in p._actions:
        if isinstance(action, argparse._SubParsersAction):
            words = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (words.get(name, ""), sub) for name, sub in action.choices.items()}
    return {}


def commands(p: argparse.ArgumentParser) -> str:
    """A section a command: what it does, its usage, its options."""
    parts = []
    for words, sub in subparsers(p).values():
        parts += [f"## {sub.prog}", sentence(words)]
        inner = subparsers(sub)
        if inner:
            parts += [_usage(one, level="### ") for _, one in inner.values()]
        else:
            parts += [_usage(sub)]
    return "\n\n".join(parts)


def _usage(p: argparse.ArgumentParser, level: str = "") -> str:
    rows = ["| option | what it does |", "|---|---|"]
    needed = []
    for action in p._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        rows.append(f"| {_name(action)} | {_cell(_help(action))} |")
        if action.required or not action.option_strings:
            name = _name(action).strip("`")
            name = name if action.option_strings else name.upper()
            needed.append(name if action.required else f"[{name}]")
    title = [f"{level}{p.prog}"] if level else []
    usage = " ".join([p.prog, "[options]", *needed])
    return "\n\n".join([*title, f"```text\n{usage}\n```", "\n".join(rows)])


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = ""
    if action.nargs != 0:
        choices = ",".join(map(str, action.choices)) if action.choices else ""
        value = f" {action.metavar or choices or action.dest.upper()}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _help(action: argparse.Action) -> str:
    words = sentence((action.help or "").replace("%%", "%"))
    if not action.option_strings and action.choices:
        words += f" One of: {', '.join(map(str, action.choices))}."
    default = action.default
    if default in (None, False, argparse.SUPPRESS) or "default" in words:
        return words
    return f"{words} Default: `{default}`."


def sentence(words: str) -> str:
    """With a capital, unless it begins with a value, and a full stop."""
    if not re.match(r"(mnms2|emidec|json|auto|in)\b", words):
        words = words[:1].upper() + words[1:]
    return words if not words or words[-1] in ".:" else f"{words}."


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def member(module: str, name: str) -> str:
    """A function, class or ``CLASS.METHOD``: its signature and its docstring as Markdown."""
    path = SOURCE.joinpath(*module.split(".")).with_suffix(".py")
    found: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    for part in name.split("."):
        inside = (node for node in ast.iter_child_nodes(found) if getattr(node, "name", "") == part)
        found = next(inside, ast.Pass())
    if not isinstance(found, ast.FunctionDef | ast.ClassDef):
        raise LookupError(f"{module} has no {name}")
    return "\n\n".join([f"## {module}.{name}", *_described(found)])


def _described(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        arguments = ast.unparse(node.args)
        lines = re.split(r", (?=\*|\w+: |\w+=)", arguments) if len(arguments) > 70 else [arguments]
        inside = "".join(f"\n    {line}," for line in lines) + "\n" if len(lines) > 1 else lines[0]
        returned = ast.unparse(node.returns or ast.Constant(None))
        yield f"```python\n{node.name}({inside}) -> {returned}\n```"
    yield docstring(ast.get_docstring(node) or "")


def docstring(text: str) -> str:
    """Google's sections as lists, references as code."""
    text = re.sub(r":\w+:`~?\.?([^`<]+)`", r"`\1`", text).replace("``", "`")
    out, inside = [], False
    for line in text.splitlines():
        title = line.rstrip(":")
        if line.endswith(":") and title in SECTIONS:
            out += [f"**{title}**", ""]
            inside = True
        elif inside and re.match(r"    \S", line):
            out.append("- " + re.sub(r"^\s*([\w*. ,]+): ", r"`\1`: ", line))
        elif inside and line.startswith("     "):
            out.append("  " + line.strip())
        else:
            out.append(line)
    return "\n".join(out)


def exit_codes() -> str:
    """The table in the docstring of :mod:`cmrseg.runtime.errors`."""
    from cmrseg.runtime import errors

    found = re.findall(r"^(\d+) +(.+)$", errors.__doc__ or "", re.M)
    rows = [f"| {code} | {_cell(sentence(words))} |" for code, words in found]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def sockets() -> str:
    """A line a socket."""
    from cmrseg.cases.sockets import TABLES

    rows = ["| recipe | reads | writes masks to | writes maps to |", "|---|---|---|---|"]
    for challenge, table in TABLES.items():
        for one in table.sockets:
            maps = ", ".join(f"`{slug}` ({name})" for name, slug in one.maps.items())
            rows.append(f"| `{challenge}` | `{one.slug}` | `{one.mask}` | {maps or '-'} |")
    return "\n".join(rows)
