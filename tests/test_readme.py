"""Every command that a README shows exists and parses as it is written; every file that it links to is there."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from ecgpage.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
READMES = tuple(
    ROOT / name
    for name in (
        "README.md",
        "samples/README.md",
        "docs/synthesis.md",
        "docs/detection.md",
        "docs/diagnosis.md",
        "benchmarks/records/README.md",
    )
)

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def commands(text: str) -> list[str]:
    """Lines of all shell blocks, continued lines joined, comments and blanks left out."""
    lines = [line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def check(command: str) -> None:
    """Raise AssertionError for a command that would not start."""
    words = shlex.split(command)
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # variables of the environment
        words = words[1:]
    program, rest = words[0], words[1:]
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(rest) <= set(targets), f"{command}: the Makefile has no such target"
    elif program == "docker":
        check_docker(rest)
    elif program == "python":
        check_python(rest)
    else:
        raise AssertionError(f"{command}: no test knows how to check {program}")


def check_docker(words: list[str]) -> None:
    assert (ROOT / "Dockerfile").is_file()
    if words[0] == "run":
        inner = words[words.index("ecgpage") + 1 :]
        assert inner[0] == "python"
        check_python(inner[1:])
    else:
        assert words == ["build", "-t", "ecgpage", "."]


def check_python(words: list[str]) -> None:
    """Parse a script's or module's arguments with its own parser."""
    if words[:2] == ["-m", "ecgpage"]:
        parse(build_parser(), words[2:])
    elif words[0] == "-m":
        module = importlib.import_module(words[1])
        assert (ROOT / f"{words[1].replace('.', '/')}.py").is_file()
        parse(module.build_parser(), words[2:])
    else:
        assert (ROOT / words[0]).is_file()
        parse(importlib.import_module(Path(words[0]).stem).get_parser(), words[1:])


def parse(parser, words: list[str]) -> None:
    try:
        parser.parse_args(words)
    except SystemExit:
        raise AssertionError(f"{parser.prog} does not take {words}") from None


SHOWN = [pytest.param(line, id=line[:60]) for readme in READMES for line in commands(readme.read_text())]


@pytest.mark.parametrize("command", SHOWN)
def test_command_parses(command):
    check(command)


@pytest.mark.parametrize("command", ["make nothing", "python run_model.py -d a", "rm -rf x", "python -m ecgpage fly"])
def test_wrong_commands_are_noticed(command):
    with pytest.raises(AssertionError):
        check(command)


def test_readme_shows_what_it_must():
    shown = commands(READMES[0].read_text())
    assert shown[:2] == ["make demo", "make test"]
    for program in ("train_model.py", "run_model.py", "evaluate_model.py", "docker build"):
        assert any(program in command for command in shown), program


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_linked_files_exist(readme):
    missing = [link for link in LINK.findall(readme.read_text()) if not (readme.parent / link).exists()]
    assert missing == []
