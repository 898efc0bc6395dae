"""A .mayo file, for the package mayo_runtime or its library in C: one file, any number of images, of bytes or of floats."""

import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from mayo.export.artifact import Classify, Format, Subject, formats
from mayo.util.errors import RunError

if typing.TYPE_CHECKING:
    import numpy as np

SNIPPET = """\
import mayo_runtime
network = mayo_runtime.load('{name}.mayo')
outputs = network(images)"""


def refuse(subject: Subject) -> list[str]:
    """Why it cannot be held: no engine, operations or steps of preprocessing that the engine does not know."""
    from mayo_runtime.file import refused
    from mayo_runtime.native import BUILD, library

    if library() is None:
        return [f'needs the native engine, which was not built; that takes a C compiler and `{BUILD}`.']
    return refused(subject.as_run, steps(subject))


def steps(subject: Subject) -> Sequence[Mapping[str, Any]]:
    """The preprocessing of evaluation with all keys: a file always does it for images of bytes."""
    from mayo.data.augment import keys_of

    given = subject.outside if subject.preprocessing is None else subject.preprocessing.steps
    return [{'type': step['type'], **keys_of(step)} for step in given]


def write(subject: Subject, path: pathlib.Path) -> None:
    """Writes the file `path`. Errors: RunError if it computes something else than the engine does in this process."""
    import numpy as np

    import mayo_runtime
    from mayo.util.trial_images import random_images
    from mayo_runtime.file import write
    from mayo_runtime.native import Engine

    write(
        path,
        subject.as_run,
        name=subject.name,
        labels=subject.labels,
        steps=steps(subject),
        probabilities=subject.probabilities,
        origin=subject.origin,
    )
    images = random_images(2, subject.as_run.values[subject.as_run.inputs[0]].dims)
    if not np.array_equal(mayo_runtime.load(path)(images), Engine(subject.as_run).run(images)[0], equal_nan=True):
        raise RunError(f'{path.name} does not compute what the engine does without it. Nothing was written.')


def load(path: pathlib.Path) -> Classify:
    """The artifact as mayo_runtime runs it."""
    import mayo_runtime

    network = mayo_runtime.load(path)

    def classify(images: 'np.ndarray') -> 'np.ndarray':
        outputs: np.ndarray = network(images)
        return outputs

    return classify


formats.register('native')(
    Format(
        title='a .mayo file',
        file='{name}.mayo',
        to_write=('numpy',),
        to_run=('mayo_runtime',),
        extra='export',
        any_batch=True,
        any_size=True,
        any_count=True,
        narrow=True,
        refuse=refuse,
        write=write,
        load=load,
        snippet=SNIPPET,
    )
)
