"""The README of an export: what the network is, what goes in and comes out, and for each artifact Python to paste."""

from collections.abc import Mapping, Sequence
from typing import Any

from mayo.export.artifact import Artifact, Format, Subject, formats
from mayo.util.format import size

NAME = 'README.md'


def readme(subject: Subject, artifacts: Sequence[Artifact]) -> str:
    """Markdown. Each block of Python runs as it stands, in the folder of the export."""
    parts = [f'# {subject.name}', _about(subject), '## Files', _files(artifacts)]
    parts += ['## Images in, numbers out', _contract(subject, [formats[artifact.format] for artifact in artifacts])]
    for artifact in artifacts:
        parts += [f'## {artifact.file}', _usage(subject, formats[artifact.format])]
    return '\n\n'.join(parts) + '\n'


def _about(subject: Subject) -> str:
    lines = [f'- {name}: {value}' for name, value in subject.origin.items()]
    if subject.program.gated:
        lines.append('- each image chooses the channels that are computed for it, and the others cost no time')
    return '\n'.join(lines)


def _files(artifacts: Sequence[Artifact]) -> str:
    rows = [f'| {artifact.file} | {size(artifact.bytes)} | {artifact.difference:.1e} |' for artifact in artifacts]
    return '\n'.join(
        ['| file | size | largest difference from the network in training, over the largest output |', '|---|---|---|', *rows]
    )


def _contract(subject: Subject, written: Sequence[Format]) -> str:
    height, width, channels = (side or 'any' for side in subject.dims)
    several = [f'; {format.title} takes any number of them' for format in written if format.any_batch]
    lines = [
        f'- in: `images`, {subject.dtype}, [1, {height}, {width}, {channels}]: one image, rows, columns, channels'
        + ''.join(several)
    ]
    if subject.preprocessing is not None:
        lines.append(
            '- the images are as decoded, 0 to 255; the network does the preprocessing itself: '
            f'{_listed(subject.preprocessing.steps)}'
        )
    elif subject.outside:
        lines.append(f'- before it, an image with values from 0 to 255 goes through: {_listed(subject.outside)}')
    kind = 'a probability' if subject.probabilities else 'a logit, whose softmax is a probability,'
    lines.append(f'- out: {kind} for each class' + (', in the order of labels.txt' if subject.labels is not None else ''))
    return '\n'.join(lines)


def _listed(steps: Sequence[Mapping[str, Any]]) -> str:
    texts = []
    for step in steps:
        keys = ', '.join(f'{key} {value}' for key, value in step.items() if key != 'type' and not key.startswith('_'))
        texts.append(f'`{step["type"]}`' + (f' ({keys})' if keys else ''))
    return ', '.join(texts) or 'nothing'


def _usage(subject: Subject, format: Format) -> str:
    dims = ', '.join(str(side or 256) for side in subject.dims)
    imports, _, rest = format.snippet.partition('\n')
    code = ['import numpy as np', imports, f'images = np.zeros([1, {dims}], np.{subject.dtype})     # yours', rest]
    if subject.labels is None:
        code.append('print(outputs[0].argmax())')
    else:
        code += ["labels = open('labels.txt').read().splitlines()", 'print(labels[outputs[0].argmax()])']
    packages = ' and '.join(f'`{package}`' for package in format.to_run)
    return '\n'.join([f'Needs {packages}.\n', '```python', *code, '```'])
