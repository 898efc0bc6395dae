"""What is exported, and what a format has to offer: `formats` by name, entered by the files in format/."""

import pathlib
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mayo.util.extras import missing, remedy
from mayo.util.registry import Registry

if typing.TYPE_CHECKING:
    import numpy as np

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Preprocessing:
    """Steps of mayo.data.augment that an artifact does itself, from bytes [N, height, width, channels] on.

    shape: (height, width, channels) of what the network reads; size: of the images, None for any.
    """

    steps: tuple[Mapping[str, Any], ...]
    shape: tuple[int, int, int]
    size: Size | None = None


@dataclass(frozen=True)
class Subject:
    """A network on its way out. program: mayo.net.tf.compact.Program, with one output; probabilities: it ends in a softmax."""

    name: str
    program: Any
    probabilities: bool = False
    labels: Sequence[str] | None = None
    preprocessing: Preprocessing | None = None
    outside: Sequence[Mapping[str, Any]] = ()  # steps that are left to who uses the artifact
    origin: Mapping[str, str] = field(default_factory=dict)  # for the README: what it is, by name

    @property
    def dims(self) -> Any:
        """(height, width, channels) of an image that an artifact takes; None for any."""
        if self.preprocessing is None:
            return self.program.values[self.program.inputs[0]].dims
        return (*(self.preprocessing.size or (None, None)), self.preprocessing.shape[-1])

    @property
    def dtype(self) -> str:
        """Of the images: float32, or bytes as files of pictures hold them."""
        return 'float32' if self.preprocessing is None else 'uint8'


Classify = Callable[['np.ndarray'], 'np.ndarray']  # images [N, H, W, C] to outputs [N, C]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to write a network: everything that anyone asks about it.

    title: its name in sentences; file: the name of what it writes.
    to_write, to_run: the packages needed; extra: what installs them.
    any_batch, any_size: whether it takes several images at once; and, where it preprocesses them, images of any size.
    refuse(subject): why else it cannot hold it, a line each, to go after the format's name.
    write(subject, path): UserError if it shows only now that it cannot.
    load(path): the artifact in its own runtime.
    snippet: Python for the README, that makes `outputs` of `images`; its imports in the first line.
    """

    title: str
    file: str
    to_write: tuple[str, ...]
    to_run: tuple[str, ...]
    extra: str
    any_batch: bool
    any_size: bool
    refuse: Callable[[Subject], list[str]]
    write: Callable[[Subject, pathlib.Path], None]
    load: Callable[[pathlib.Path], Classify]
    snippet: str

    def lacks(self) -> str | None:
        """What to install before it can be written and compared; None if nothing."""
        packages = missing([*self.to_write, *self.to_run])
        return f'needs {" and ".join(packages)}; `{remedy(self.extra)}` installs it.' if packages else None

    def refuses_size(self, preprocesses: bool, size: Size | None) -> str | None:
        """Why it cannot do the preprocessing of images of a size, None for any; None if it can."""
        if preprocesses and size is None and not self.any_size:
            return 'preprocesses images of one size only; set export.image_size=[HEIGHT, WIDTH], or export.preprocess=false.'
        return None

    def reasons(self, subject: Subject) -> list[str]:
        """Why it cannot hold the subject, a line each."""
        inside = subject.preprocessing
        size = self.refuses_size(inside is not None, None if inside is None else inside.size)
        return ([size] if size else []) + self.refuse(subject)


formats: Registry[Format] = Registry('export format')


@dataclass(frozen=True)
class Artifact:
    """A file or folder that was written. difference: the largest from masked execution, over the largest output."""

    format: str
    file: str
    bytes: int
    difference: float
