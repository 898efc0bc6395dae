"""TensorFlow: operations that it chooses itself; and the same compiled by XLA, which xla.py enters."""

import pathlib
import typing
from collections.abc import Callable, Sequence
from typing import Any

from mayo.net.tf.engines.base import PICKLED, Compact, Engine, Job, Loaded, Masked, engines, fits, images_as, unpickled

if typing.TYPE_CHECKING:
    import numpy as np

    from mayo.net.tf.compact import CompactNetwork, Program


def load(job: Job, xla: bool = False) -> Loaded:
    """A masked network, a program, or a SavedModel. xla: compile the program."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    if pathlib.Path(job.path).is_dir():
        return _saved_model(tf, job)
    network = unpickled(job.path)
    if isinstance(network, Masked):
        return _masked(tf, job, network)
    from mayo.net.tf.compact import CompactNetwork

    compact = CompactNetwork(network, xla=xla)
    return _called(tf, job, lambda images: compact(images)[0])


def _masked(tf: Any, job: Job, masked: Masked) -> Loaded:
    from mayo.layers import Shape
    from mayo.net.tf.network import Network

    network = Network(masked.graph, Shape(masked.dims), 'masked')
    for name, variable in network.named_variables().items():
        variable.assign(masked.weights.pop(name))

    def mask_change(images: 'np.ndarray') -> float | None:
        """See bench.record.Group."""
        _, stats = network(tf.constant(images), training=False)
        return changed([stat.mask.numpy() for stat in stats.values()])

    loaded = _called(tf, job, lambda images: network(images, training=False)[0])
    return Loaded(loaded.prepare, loaded.run, mask_change)


def changed(masks: Sequence['np.ndarray']) -> float | None:
    """The part of an image's active channels that the next image has not; None without a gate that suppresses any.

    masks: of each gate, [N, ..., C].
    """
    import numpy as np

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

    def run(images: Any) -> 'list[np.ndarray]':
        """The outputs of the signature."""
        return [value.numpy() for value in model.signatures['serving_default'](**{name: images}).values()]

    return Loaded(lambda images: tf.constant(images_as(spec.dtype.as_numpy_dtype, images)), run)


def compact(program: 'Program') -> 'CompactNetwork':
    """The compact network, compiled by XLA where its maps are small."""
    from mayo.net.tf.compact import CompactNetwork

    return CompactNetwork(program)


def reasons(program: 'Program') -> list[str]:
    """Why it cannot run `program`, a line each."""
    from mayo.net.tf.compact.program import needs_fixed_counts

    return needs_fixed_counts(program, 'TensorFlow')


engines.register('tensorflow')(
    Engine(
        packages=('tensorflow',),
        extra='bench',
        network_file=PICKLED,
        masked=True,
        exported=('',),
        marker='o',
        load=load,
        compact=Compact(compact, reasons, preference=0, on_gpu=True),
    )
)
