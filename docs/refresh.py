"""Rerun the commands shown in the documentation and write down what they print.

    python docs/refresh.py [FILE ...]           (default: README.md and every docs/*.md)

A block of documentation that starts with ```console shows commands, each behind `$ `, with their real output below. This script
replaces the outputs; tests/test_docs.py runs the same commands and compares.
"""

import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'(?<=^```console\n)(.*?)(?=^```$)', re.MULTILINE | re.DOTALL)


def pages() -> list[pathlib.Path]:
    """Every page of the documentation."""
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def commands(block: str) -> Iterator[tuple[str, str]]:
    r"""(command, its output as shown) of one console block; a command may go on behind a backslash.

    >>> list(commands('$ ./my ls\nmodels\n$ ./my --version\n0.1\n'))
    [('./my ls', 'models\n'), ('./my --version', '0.1\n')]
    """
    for part in re.split(r'^\$ ', block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        end = next(i for i, line in enumerate(lines) if not line.endswith('\\\n')) + 1
        yield ''.join(lines[:end]).rstrip('\n'), ''.join(lines[end:])


def run(command: str) -> str:
    """What `command` prints on standard output, as in a terminal of 100 columns at the root of the repository."""
    done = subprocess.run(
        ['bash', '-c', command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={'COLUMNS': '100', 'PATH': '/usr/bin:/bin', 'HOME': str(pathlib.Path.home())},
    )
    if done.returncode:
        raise SystemExit(f'{command}\nended with {done.returncode}:\n{done.stderr}')
    return done.stdout


def refreshed(text: str, execute: Callable[[str], str] = run) -> str:
    """`text` with each command's output as it is now."""

    def rewrite(match: re.Match[str]) -> str:
        return ''.join(f'$ {command}\n{execute(command)}' for command, _ in commands(match.group()))

    return BLOCK.sub(rewrite, text)


if __name__ == '__main__':
    for page in [pathlib.Path(name) for name in sys.argv[1:]] or pages():
        page.write_text(refreshed(page.read_text()))
