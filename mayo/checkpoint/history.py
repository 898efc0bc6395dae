"""What a training leaves to draw: a line of JSON for each epoch, in NAME-training.jsonl beside the checkpoints of run NAME.

    {"epoch": 2.0, "step": 936, "rate": 0.05, "loss": 0.41, "top1": 0.85, "density": 0.5,
     "validation_loss": 0.39, "validation_top1": 0.86, "validation_top5": 0.99,
     "turnover": 0.12, "always": 0.31, "sometimes": 0.42, "never": 0.27}

The last four, of a network with gates, are means over its layers on the validation images: mayo.estimate.liveliness.

Loss, top-1 and density are means over the images of the epoch that this process trained with; what is not known is left out.
"""

import json
import pathlib
from dataclasses import asdict
from typing import Protocol, TypeVar

from mayo.estimate.liveliness import Liveliness
from mayo.util.files import whole_file

SUFFIX = 'training.jsonl'
_MEANS = ('loss', 'top1', 'density')


class Totals(Protocol):
    """Means over `images`: mayo.training.step.Totals."""

    @property
    def images(self) -> int:
        """How many."""


AnyTotals = TypeVar('AnyTotals', bound=Totals)


class Result(Protocol):
    """Of a validation: mayo.session.evaluate.Evaluation."""

    @property
    def top1(self) -> float:
        """A fraction; loss and top5 beside it."""

    @property
    def mean_liveliness(self) -> Liveliness | None:
        """What the gates did; None without any."""


class History:
    """The record of one run, which goes on at `epoch`: what an earlier process wrote of later ones is forgotten."""

    def __init__(self, path: pathlib.Path, epoch: float) -> None:
        self.path = path
        self.lines = [line for line in read(path) if line['epoch'] <= epoch + 1e-6]
        self._sums: dict[str, list[float]] = {}  # [sum, images] of each mean

    def add(self, totals: AnyTotals) -> AnyTotals:
        """Take note of means over some images of the epoch; returns them."""
        for name in _MEANS:
            value = getattr(totals, name)
            if value is not None and totals.images:
                before = self._sums.get(name, [0.0, 0.0])
                self._sums[name] = [before[0] + value * totals.images, before[1] + totals.images]
        return totals

    def write(self, epoch: float, step: int, rate: float, validation: Result | None = None) -> None:
        """End the epoch: the file is written anew, whole, so that no crash leaves half a line."""
        line: dict[str, float] = {'epoch': round(epoch, 6), 'step': step, 'rate': rate}
        line |= {name: total / images for name, (total, images) in self._sums.items()}
        if validation is not None:
            line |= {f'validation_{name}': float(getattr(validation, name)) for name in ('loss', 'top1', 'top5')}
            line |= asdict(validation.mean_liveliness) if validation.mean_liveliness else {}
        self.lines.append(line)
        self._sums = {}
        with whole_file(self.path) as temporary:
            temporary.write_text(''.join(json.dumps(line) + '\n' for line in self.lines), encoding='utf-8')


def path_of(folder: pathlib.Path, run: str) -> pathlib.Path:
    """The record of training `run`, '' for the one without a name.

    >>> path_of(pathlib.Path('checkpoints'), 'gate50').name, path_of(pathlib.Path('checkpoints'), '').name
    ('gate50-training.jsonl', 'training.jsonl')
    """
    return folder / (f'{run}-{SUFFIX}' if run else SUFFIX)


def runs(folder: pathlib.Path) -> dict[str, list[dict[str, float]]]:
    """The records in a folder of checkpoints by the names of their runs."""
    files = sorted(folder.glob(f'*{SUFFIX}'))
    records = {file.name.removesuffix(SUFFIX).removesuffix('-'): read(file) for file in files}
    return {name: lines for name, lines in records.items() if lines}


def read(path: pathlib.Path) -> list[dict[str, float]]:
    """The lines of a record; none if there is no file. A line that is none is left out."""
    lines = []
    for text in path.read_text(encoding='utf-8', errors='replace').splitlines() if path.is_file() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get('epoch'), int | float):
            lines.append(line)
    return lines
