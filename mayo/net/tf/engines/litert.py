"""LiteRT, which runs exported .tflite files."""

import typing

from mayo.net.tf.engines.base import Engine, Job, Loaded, engines, fits, images_as

if typing.TYPE_CHECKING:
    pass


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
        network_file=None,
        masked=False,
        exported=('.tflite',),
        marker='v',
        load=load,
        compact=None,
    )
)
