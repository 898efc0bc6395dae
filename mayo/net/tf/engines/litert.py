"""LiteRT, which runs .tflite files: exported ones, and networks that TensorFlow's converter writes, in int8 with all of them bytes."""

import pathlib
import typing
from collections.abc import Iterator
from typing import Any

from mayo.net.tf.engines.base import Engine, Job, Loaded, Masked, NetworkFile, engines, fits, images_as, quietly
from mayo.util.errors import RunError

if typing.TYPE_CHECKING:
    import numpy as np

    from mayo_runtime.program import Program


def write(network: 'Program | Masked', path: pathlib.Path, batch_size: int, images: 'np.ndarray') -> None:
    """The file `path`. Of a network in int8, the converter finds ranges of its own for all that it computes, on `images`. RunError: it cannot."""
    import tensorflow as tf

    from mayo.net.tf.compact import CompactNetwork
    from mayo_runtime.narrow import is_narrow, widened

    assert not isinstance(network, Masked)
    compact = CompactNetwork(widened(network, 'int8'), xla=False)
    dims = network.values[network.inputs[0]].dims
    call = tf.function(lambda batch: compact(batch)[0], input_signature=[tf.TensorSpec((batch_size, *dims))])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])

    def batches() -> Iterator[list[Any]]:
        for start in range(0, len(images) - batch_size + 1, batch_size):
            yield [images[start : start + batch_size]]

    if is_narrow(network, 'int8'):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = batches
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        with quietly():
            path.write_bytes(converter.convert())
    except Exception as error:  # the converter's own kinds have no public name
        raise RunError(f'the converter cannot: {str(error).partition(chr(10))[0]}') from None


def load(job: Job) -> Loaded:
    """A .tflite file."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(job.path, num_threads=job.threads)
    (source,) = interpreter.get_input_details()
    fits(job, source['shape'][0], str(np.dtype(source['dtype'])))
    interpreter.allocate_tensors()
    outputs = interpreter.get_output_details()

    def run(images: np.ndarray) -> list[np.ndarray]:
        """All outputs of the images."""
        interpreter.set_tensor(source['index'], images)
        interpreter.invoke()
        return [interpreter.get_tensor(output['index']) for output in outputs]

    return Loaded(lambda images: images_as(source['dtype'], images), run)


engines.register('litert')(
    Engine(
        packages=('ai_edge_litert',),
        extra='export',
        network_file=NetworkFile('.tflite', ('tensorflow',), write),
        networks=dict.fromkeys(('float32', 'int8'), ('dense', 'static')),
        exported=('.tflite',),
        marker='v',
        load=load,
        compact=None,
    )
)
