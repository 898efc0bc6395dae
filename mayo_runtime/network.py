"""A network of a .mayo file.

network = load('net.mayo')
network(images)                                     outputs, of floats as it reads them or of bytes as decoded
network.predict(['cat.jpg', array])                 labels and probabilities
network.last                                        what the last call took
"""

import ctypes
import json
import math
import os
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mayo_runtime.native.bindings import BUILD, library, loaded

FLOATS, BYTES = 0, 1  # as mayo.h counts kinds of images


class NetworkError(ValueError):
    """A sentence: which file or image cannot be used, and why."""


class _Description(ctypes.Structure):
    """`MayoDescription` of mayo.h."""

    _fields_ = [
        ('name', ctypes.c_char_p),
        *(
            (name, ctypes.c_int32)
            for name in ('height', 'width', 'channels', 'image_channels', 'output_count', 'probabilities')
        ),
        ('output_sizes', ctypes.POINTER(ctypes.c_int64)),
        ('label_count', ctypes.c_int32),
        ('layer_count', ctypes.c_int32),
        ('labels', ctypes.POINTER(ctypes.c_char_p)),
        ('layers', ctypes.POINTER(ctypes.c_char_p)),
        ('layer_channels', ctypes.POINTER(ctypes.c_int32)),
        ('instructions', ctypes.c_char_p),
        ('about', ctypes.c_char_p),
    ]


class _Report(ctypes.Structure):
    """`MayoReport` of mayo.h."""

    _fields_ = [('masks', ctypes.c_void_p), ('macs', ctypes.c_int64), ('milliseconds', ctypes.c_double)]


@dataclass(frozen=True)
class Last:
    """What a call took. active: of each layer with a gate, int [N] channels; macs: multiply-accumulates of all images."""

    active: Mapping[str, np.ndarray]
    macs: int
    milliseconds: float


@dataclass(frozen=True)
class Prediction:
    """What an image is taken to be: label, its number among the classes, its probability; and all probabilities, [C]."""

    label: str
    number: int
    probability: float
    probabilities: np.ndarray


def load(path: str | os.PathLike[str], threads: int | None = None, instructions: str | None = None) -> 'Network':
    """The network of a .mayo file, whose weights are read where they lie.

    threads: of a call; None: a thread for each processor that this process may use. instructions: amx, vnni, avx512, avxvnni, avx2
    or plain; None: the best that the processor has.
    Errors: NetworkError for a file that is damaged, of another version, or asks for instructions that the processor has not.
    """
    return Network(os.fspath(path), threads, instructions)


class Network:
    """Runs the network of a file; any number of threads may call it. See `load`.

    name: of the model; shape: (height, width, channels) that it reads; labels: of the classes, or none; layers: with a gate, and
    how many channels each has; about: everything else that the file says.
    """

    def __init__(self, path: str, threads: int | None, instructions: str | None) -> None:
        if library() is None:
            raise NetworkError(f'the native engine was not built; that takes a C compiler and `{BUILD}`.')
        self._code = _functions()
        self._handle = self._code.mayo_load(os.fsencode(path), None if instructions is None else instructions.encode())
        if not self._handle:
            raise self._error()
        weakref.finalize(self, self._code.mayo_free, self._handle)
        described = self._code.mayo_describe(self._handle).contents
        self.threads = threads or len(os.sched_getaffinity(0))
        self.shape: tuple[int, int, int] = (described.height, described.width, described.channels)
        self.instructions: str = described.instructions.decode()
        self.probabilities = bool(described.probabilities)
        try:
            self.name: str = described.name.decode()
            self.labels: tuple[str, ...] = tuple(label.decode() for label in described.labels[: described.label_count])
            layers = zip(
                described.layers[: described.layer_count], described.layer_channels[: described.layer_count], strict=True
            )
            self.layers: dict[str, int] = {layer.decode(): channels for layer, channels in layers}
            self.about: dict[str, Any] = json.loads(described.about)
            self._outputs = [tuple(map(int, dims)) for dims in self.about['outputs'].values()]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise NetworkError(f'{path} cannot be loaded: what it says of itself cannot be read: {error}.') from None
        sizes = [math.prod(dims) for dims in self._outputs]
        if (
            sizes != described.output_sizes[: described.output_count]
            or min(map(min, filter(None, self._outputs)), default=1) < 0
        ):
            raise NetworkError(f'{path} cannot be loaded: its outputs are not of the shapes {self._outputs} that it says.')
        if len(self.layers) != described.layer_count:
            raise NetworkError(f'{path} cannot be loaded: two of its layers have one name.')
        self._image_channels: int = described.image_channels
        self._local = threading.local()

    @property
    def last(self) -> Last:
        """What the last call of this thread took. Errors: NetworkError where there was none."""
        if not hasattr(self._local, 'last'):
            raise NetworkError('this thread has not called the network yet.')
        last: Last = self._local.last
        return last

    def __call__(self, images: np.ndarray) -> Any:
        """The outputs [N, ...] of images [N, H, W, C]; a list of them where the network has several.

        images: uint8, as decoded, which go through the preprocessing of the file; or floats, as the network reads them.
        Errors: NetworkError for images of another shape or type.
        """
        images = self._checked(images)
        count, height, width, channels = images.shape
        outputs = [np.empty((count, *dims), np.float32) for dims in self._outputs]
        places = (ctypes.c_void_p * len(outputs))(*(output.ctypes.data for output in outputs))
        masks = np.zeros((count, sum(self.layers.values())), bool)
        report = _Report(masks.ctypes.data)
        failed = self._code.run_images(
            self._handle,
            self.threads,
            BYTES if images.dtype == np.uint8 else FLOATS,
            ctypes.c_void_p(images.ctypes.data),
            count,
            height,
            width,
            channels,
            places,
            ctypes.byref(report),
        )
        if failed:
            raise self._error()
        ends = np.cumsum([*self.layers.values()])[:-1]
        active = {layer: part.sum(1) for layer, part in zip(self.layers, np.split(masks, ends, axis=1), strict=False)}
        self._local.last = Last(active, report.macs, report.milliseconds)
        return outputs[0] if len(outputs) == 1 else outputs

    def predict(self, items: Iterable[str | os.PathLike[str] | np.ndarray]) -> list[Prediction]:
        """The label of each item: a path, which needs Pillow, or an image [H, W, C] as `network(images)` takes it.

        Errors: NetworkError for a file that is no image, and as above.
        """
        if isinstance(items, (str, os.PathLike)):
            items = [items]
        return [self._prediction(self(self._image(item)[None])) for item in items]

    def _prediction(self, outputs: Any) -> Prediction:
        numbers = np.asarray(outputs[0] if isinstance(outputs, list) else outputs, np.float64).ravel()
        if not self.probabilities:
            numbers = np.exp(numbers - numbers.max())
            numbers /= numbers.sum()
        number = int(numbers.argmax())
        label = self.labels[number] if number < len(self.labels) else str(number)
        return Prediction(label, number, float(numbers[number]), numbers)

    def _image(self, item: str | os.PathLike[str] | np.ndarray) -> np.ndarray:
        if isinstance(item, np.ndarray):
            if item.ndim != 3:
                raise NetworkError(f'an image is an array [H, W, C], not of shape {item.shape}.')
            return item
        try:
            from PIL import Image
        except ImportError:
            raise NetworkError('reading images from files needs Pillow; `pip install pillow` installs it.') from None
        try:
            with Image.open(item) as picture:
                array = np.asarray(picture.convert('L' if self._image_channels == 1 else 'RGB'))
        except OSError as error:
            raise NetworkError(f'{os.fspath(item)}: {error}') from None
        return array[..., None] if array.ndim == 2 else array

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.ndim != 4:
            raise NetworkError(f'images are an array [N, H, W, C], not of shape {images.shape}.')
        wanted = (*self.shape[:2], self._image_channels or images.shape[3]) if images.dtype == np.uint8 else self.shape
        if images.dtype != np.uint8 and images.dtype.kind != 'f':
            raise NetworkError(f'images are uint8, as decoded, or floats, as the network reads them, not {images.dtype}.')
        if images.shape[1:] != wanted and (images.dtype != np.uint8 or images.shape[3] != wanted[2]):
            raise NetworkError(f'images are {images.shape}, expected [N, {", ".join(map(str, wanted))}].')
        if 0 in images.shape[1:]:
            raise NetworkError(f'images are {images.shape}: there is nothing in them.')
        return np.ascontiguousarray(images, np.uint8 if images.dtype == np.uint8 else np.float32)

    def _error(self) -> NetworkError:
        return NetworkError(self._code.mayo_last_error().decode(errors='replace'))


def _functions() -> Any:
    code = loaded()
    code.mayo_load.restype = ctypes.c_void_p
    code.mayo_load.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    code.mayo_free.argtypes = [ctypes.c_void_p]
    code.mayo_free.restype = None
    code.mayo_describe.restype = ctypes.POINTER(_Description)
    code.mayo_describe.argtypes = [ctypes.c_void_p]
    code.mayo_last_error.restype = ctypes.c_char_p
    code.run_images.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_int64,
        *[ctypes.c_int32] * 3,
        ctypes.c_void_p,
        ctypes.POINTER(_Report),
    ]
    return code


__all__: Sequence[str] = ('Last', 'Network', 'NetworkError', 'Prediction', 'load')
