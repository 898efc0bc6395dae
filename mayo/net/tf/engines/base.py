"""What an engine has to offer: `engines` by name, entered by the files beside this one; and what several of them need.

`bench` runs each in a process of its own: it loads a file that was written for it, or one that was exported.

    prepare, run = load(job)        prepare: [N, H, W, C] float32 to what `run` wants; run: that to the outputs, computed

`eval` and `predict` run programs in the engines that have `compact`.
"""

import pathlib
import pickle
import typing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mayo.util.errors import RunError
from mayo.util.registry import Registry

if typing.TYPE_CHECKING:
    import numpy as np

    from mayo.net.graph import Graph
    from mayo.net.tf.compact.program import Program


@dataclass(frozen=True)
class Job:
    """What a process measures. dims: of an image; images: how many different ones; threads: of one operation.

    precision: what an engine that chooses it itself multiplies; of int8, the file holds bytes.
    """

    engine: str
    path: str
    dims: tuple[int, ...]
    batch_size: int
    images: int
    threads: int
    precision: str = 'float32'


@dataclass(frozen=True)
class Masked:
    """A masked network on its way to its process, where it is built anew."""

    graph: 'Graph'
    dims: tuple[int, ...]
    weights: dict[str, 'np.ndarray']


Prepare = Callable[['np.ndarray'], Any]
Run = Callable[[Any], Sequence['np.ndarray']]


@dataclass(frozen=True)
class Loaded:
    """A network that is ready. mask_change: of a batch of images, see bench.record.Group; where the engine can tell."""

    prepare: Prepare
    run: Run
    mask_change: Callable[['np.ndarray'], float | None] = lambda images: None


@dataclass(frozen=True)
class NetworkFile:
    """How a network is written for the engines that read such files. write(network, path, batch_size); packages: needed to."""

    suffix: str
    packages: tuple[str, ...]
    write: Callable[['Program | Masked', pathlib.Path, int], None]


@dataclass(frozen=True)
class Compact:
    """How an engine runs compact networks beside everything else in a process.

    run(program): images to outputs and masks of active channels, as mayo.net.tf.compact.CompactNetwork does.
    reasons(program): why it cannot, a line each. preference: `auto` takes the largest that can. on_gpu: also where there is one.
    """

    run: Callable[['Program'], Callable[[Any], Any]]
    reasons: Callable[['Program'], list[str]]
    preference: int
    on_gpu: bool


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What runs networks: everything that anyone asks about it.

    packages: what it needs installed; extra: what installs them.
    network_file: what it reads a network from; None: it runs exported files only. masked: whether also a masked network.
    narrow: the networks (mayo.bench.modes) that it runs in bfloat16 and in int8, besides float32.
    exported: endings of the exported files that it runs; '' is that of a folder.
    marker: its sign in pictures, a marker of matplotlib.
    load: makes a job's file ready to run; ValueError for a network that it cannot run, RunError for a file.
    compact: how `eval` and `predict` use it; None: they cannot.
    """

    packages: tuple[str, ...]
    extra: str
    network_file: NetworkFile | None
    masked: bool
    narrow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exported: tuple[str, ...]
    marker: str
    load: Callable[[Job], Loaded]
    compact: Compact | None

    def to_make(self) -> tuple[str, ...]:
        """The packages that write the file that it reads a network from."""
        return () if self.network_file is None else self.network_file.packages


engines: Registry[Engine] = Registry('engine')


def of_networks() -> tuple[str, ...]:
    """The engines that run networks, not exported files only."""
    return tuple(name for name in engines if engines[name].network_file is not None)


def of_file(path: str) -> str:
    """The engine that runs an exported file or folder; TensorFlow tells what is wrong with any other.

    >>> of_file('net.tflite'), of_file('net.onnx'), of_file('saved_model')
    ('litert', 'onnxruntime', 'tensorflow')
    """
    suffix = pathlib.Path(path).suffix
    return next((name for name in engines if suffix in engines[name].exported), 'tensorflow')


# --- how networks are written ---


def _pickled(network: 'Program | Masked', path: pathlib.Path, batch_size: int) -> None:
    with path.open('wb') as file:
        pickle.dump(network, file, protocol=pickle.HIGHEST_PROTOCOL)


def _as_onnx(network: 'Program | Masked', path: pathlib.Path, batch_size: int) -> None:
    from mayo.net.tf.compact.onnx import onnx_model

    assert not isinstance(network, Masked)
    model = onnx_model(network, batch=1 if network.gated else batch_size)
    path.write_bytes(model.SerializeToString())


PICKLED = NetworkFile('.pickle', (), _pickled)
ONNX = NetworkFile('.onnx', ('onnx',), _as_onnx)


def unpickled(path: str) -> Any:
    """The program or masked network of a file that PICKLED wrote."""
    with open(path, 'rb') as file:
        return pickle.load(file)


# --- what exported files take ---


def fits(job: Job, batch: int | None, dtype: str) -> None:
    """RunError unless what takes `batch` images (None: any number) of `dtype` can take the job's."""
    if batch not in (None, job.batch_size):
        raise RunError(f'takes {batch} images at once, not {job.batch_size}.')
    if dtype not in ('float32', 'uint8'):
        raise RunError(f'takes {dtype}, no images of float32 or uint8.')


def images_as(dtype: Any, images: 'np.ndarray') -> 'np.ndarray':
    """Random images as float32 or as bytes."""
    import numpy as np

    from mayo.util.trial_images import as_bytes

    return images if np.dtype(dtype) == np.float32 else as_bytes(images)


def alone(job: Job, batch: object) -> bool:
    """Whether a file that takes `batch` images (no number: any) has to take those of the job one by one."""
    return batch == 1 and job.batch_size > 1


def in_parallel(run: Run, threads: int) -> Run:
    """`run`, of one image, for each of a batch, so many at once."""
    import numpy as np

    pool = ThreadPoolExecutor(threads)

    def all_of(images: np.ndarray) -> list[np.ndarray]:
        """The outputs of all images."""
        results = pool.map(run, np.split(images, len(images)))
        return [np.concatenate(parts) for parts in zip(*results, strict=True)]

    return all_of
