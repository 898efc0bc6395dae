"""The engines: each makes of a file a function of a batch of images. They run in a process of their own; see worker.py.

prepare, run = load(job)        prepare: [N, H, W, C] float32 to what `run` wants; run: that to the outputs, computed
"""

import pathlib
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from mayo.layers import Shape
from mayo.net.graph import Graph
from mayo.util.errors import RunError
from mayo.util.registry import Registry
from mayo.util.trial_images import as_bytes


@dataclass(frozen=True)
class Job:
    """What a process measures. dims: of an image; images: how many different ones; threads: of one operation."""

    engine: str
    path: str
    dims: tuple[int, ...]
    batch_size: int
    images: int
    threads: int


@dataclass(frozen=True)
class Masked:
    """A masked network on its way to its process, where it is built anew."""

    graph: Graph
    dims: tuple[int, ...]
    weights: dict[str, np.ndarray]


Prepare = Callable[[np.ndarray], Any]
Run = Callable[[Any], Sequence[np.ndarray]]


@dataclass(frozen=True)
class Loaded:
    """A network that is ready. mask_change: of a batch of images, see record.Group; where the engine can tell."""

    prepare: Prepare
    run: Run
    mask_change: Callable[[np.ndarray], float | None] = lambda images: None


Load = Callable[[Job], Loaded]


@dataclass(frozen=True)
class Engine:
    """packages: what it needs installed to run an artifact, and `to_make` to make one of a program."""

    load: Load
    packages: tuple[str, ...]
    to_make: tuple[str, ...] = ()


engines: Registry[Engine] = Registry('engine')


def engine(name: str, *packages: str, to_make: tuple[str, ...] = ()) -> Callable[[Load], Load]:
    """Enters the function that loads a job in an engine."""

    def enter(load: Load) -> Load:
        engines.register(name)(Engine(load, packages, to_make))
        return load

    return enter


# --- TensorFlow ---


@engine('tensorflow', 'tensorflow')
def tensorflow(job: Job) -> Loaded:
    """A masked network, a program, or a SavedModel."""
    return _tensorflow(job, xla=False)


@engine('xla', 'tensorflow')
def xla(job: Job) -> Loaded:
    """A program compiled by XLA."""
    return _tensorflow(job, xla=True)


def _tensorflow(job: Job, xla: bool) -> Loaded:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    if pathlib.Path(job.path).is_dir():
        return _saved_model(tf, job)
    with open(job.path, 'rb') as file:
        network = pickle.load(file)
    if isinstance(network, Masked):
        return _masked(tf, job, network)
    from mayo.net.tf.compact import CompactNetwork

    compact = CompactNetwork(network, xla=xla)
    return _called(tf, job, lambda images: compact(images)[0])


def _masked(tf: Any, job: Job, masked: Masked) -> Loaded:
    from mayo.net.tf.network import Network

    network = Network(masked.graph, Shape(masked.dims), 'masked')
    for name, variable in network.named_variables().items():
        variable.assign(masked.weights.pop(name))

    def mask_change(images: np.ndarray) -> float | None:
        _, stats = network(tf.constant(images), training=False)
        return changed([stat.mask.numpy() for stat in stats.values()])

    loaded = _called(tf, job, lambda images: network(images, training=False)[0])
    return Loaded(loaded.prepare, loaded.run, mask_change)


def changed(masks: Sequence[np.ndarray]) -> float | None:
    """The part of an image's active channels that the next image has not; None without a gate that suppresses any.

    masks: of each gate, [N, ..., C].
    """
    parts = []
    for mask in masks:
        active = mask.reshape(len(mask), -1) > 0
        if not active.all():
            parts.append((active & ~np.roll(active, -1, axis=0)).sum() / active.sum())
    return float(np.mean(parts)) if parts else None


def _called(tf: Any, job: Job, network: Callable[[Any], Any]) -> Loaded:
    call = tf.function(network, input_signature=[tf.TensorSpec((job.batch_size, *job.dims))]).get_concrete_function()
    return Loaded(tf.constant, lambda images: [value.numpy() for value in tf.nest.flatten(call(images))])


def _saved_model(tf: Any, job: Job) -> Loaded:
    model = tf.saved_model.load(job.path)  # has to outlive its signatures
    ((name, spec),) = model.signatures['serving_default'].structured_input_signature[1].items()
    fits(job, spec.shape.as_list()[0], spec.dtype.name)

    def run(images: Any) -> list[np.ndarray]:
        return [value.numpy() for value in model.signatures['serving_default'](**{name: images}).values()]

    return Loaded(lambda images: tf.constant(images_as(spec.dtype.as_numpy_dtype, images)), run)


# --- our own ---


@engine('native', 'tensorflow')
def native(job: Job) -> Loaded:
    """A program. Errors: ValueError where the engine was not built, or does not know one of its operations."""
    from mayo.net.tf.compact.native import NativeNetwork

    with open(job.path, 'rb') as file:
        network = NativeNetwork(pickle.load(file), threads=job.threads)
    return Loaded(np.ascontiguousarray, lambda images: network.run(images)[:-1])


# --- ONNX ---


@engine('onnxruntime', 'onnxruntime', to_make=('onnx',))
def onnxruntime(job: Job) -> Loaded:
    """An ONNX file; one that takes one image at a time runs several at once, a thread for each."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    one_thread, several = onnxruntime.SessionOptions(), onnxruntime.SessionOptions()
    one_thread.intra_op_num_threads, several.intra_op_num_threads = 1, job.threads
    session = onnxruntime.InferenceSession(job.path, several, providers=['CPUExecutionProvider'])
    (source,) = session.get_inputs()
    dtype = {'tensor(float)': np.float32, 'tensor(uint8)': np.uint8}.get(source.type)
    if dtype is None:
        raise RunError(f'takes {source.type}, no images of float32 or uint8.')
    if alone(job, source.shape[0]):
        session = onnxruntime.InferenceSession(job.path, one_thread, providers=['CPUExecutionProvider'])
        run = in_parallel(lambda image: session.run(None, {source.name: image}), job.threads)
        return Loaded(lambda images: images_as(dtype, images), run)
    return Loaded(lambda images: images_as(dtype, images), lambda images: session.run(None, {source.name: images}))


@engine('openvino', 'openvino', to_make=('onnx',))
def openvino(job: Job) -> Loaded:
    """An ONNX file, computed in float32 also where the machine has 16-bit units."""
    import openvino

    core = openvino.Core()
    model = core.read_model(job.path)
    single = alone(job, _first(model.input(0).get_partial_shape()))
    settings = {
        'INFERENCE_PRECISION_HINT': 'f32',
        'INFERENCE_NUM_THREADS': job.threads,
        'PERFORMANCE_HINT': 'THROUGHPUT' if single else 'LATENCY',
        'NUM_STREAMS': job.threads if single else 1,
    }
    compiled = core.compile_model(model, 'CPU', settings)
    requests = [compiled.create_infer_request() for _ in range(job.threads if single else 1)]
    if single:
        return Loaded(np.ascontiguousarray, lambda images: in_requests(requests, images))
    return Loaded(np.ascontiguousarray, lambda images: list(requests[0].infer([images], share_inputs=True).values()))


def _first(shape: Any) -> int | None:
    return shape[0].get_length() if shape[0].is_static else None


def in_requests(requests: Sequence[Any], images: np.ndarray) -> list[np.ndarray]:
    """Each image of a batch by itself, as many at once as there are requests; OpenVINO hangs if Python threads share it."""

    def finished(index: int) -> list[np.ndarray]:
        request = requests[index % len(requests)]
        request.wait()
        return [tensor.data.copy() for tensor in request.output_tensors]

    outputs, single = [], np.split(images, len(images))
    for index, image in enumerate(single):
        if index >= len(requests):
            outputs.append(finished(index))
        requests[index % len(requests)].start_async([image], share_inputs=True)
    outputs += [finished(index) for index in range(max(len(single) - len(requests), 0), len(single))]
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def in_parallel(run: Run, threads: int) -> Run:
    """`run`, of one image, for each of a batch, so many at once."""
    pool = ThreadPoolExecutor(threads)

    def all_of(images: np.ndarray) -> list[np.ndarray]:
        results = pool.map(run, np.split(images, len(images)))
        return [np.concatenate(parts) for parts in zip(*results, strict=True)]

    return all_of


def alone(job: Job, batch: object) -> bool:
    """Whether a file that takes `batch` images (no number: any) has to take those of the job one by one."""
    return batch == 1 and job.batch_size > 1


# --- LiteRT ---


@engine('litert', 'ai_edge_litert')
def litert(job: Job) -> Loaded:
    """A .tflite file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(job.path, num_threads=job.threads)
    (source,) = interpreter.get_input_details()
    fits(job, source['shape'][0], str(np.dtype(source['dtype'])))
    interpreter.allocate_tensors()
    outputs = interpreter.get_output_details()

    def run(images: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(source['index'], images)
        interpreter.invoke()
        return [interpreter.get_tensor(output['index']) for output in outputs]

    return Loaded(lambda images: images_as(source['dtype'], images), run)


# --- artifacts ---


def fits(job: Job, batch: int | None, dtype: str) -> None:
    """RunError unless what takes `batch` images (None: any number) of `dtype` can take the job's."""
    if batch not in (None, job.batch_size):
        raise RunError(f'takes {batch} images at once, not {job.batch_size}.')
    if dtype not in ('float32', 'uint8'):
        raise RunError(f'takes {dtype}, no images of float32 or uint8.')


def images_as(dtype: Any, images: np.ndarray) -> np.ndarray:
    """Random images as float32 or as bytes."""
    return images if np.dtype(dtype) == np.float32 else as_bytes(images)
