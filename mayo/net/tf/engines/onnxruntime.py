"""ONNX Runtime, which runs ONNX files."""

from mayo.net.tf.engines.base import ONNX, Engine, Job, Loaded, alone, engines, images_as, in_parallel
from mayo.util.errors import RunError


def load(job: Job) -> Loaded:
    """An ONNX file; one that takes one image at a time runs several at once, a thread for each."""
    import numpy as np
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


engines.register('onnxruntime')(
    Engine(
        packages=('onnxruntime',),
        extra='bench',
        network_file=ONNX,
        masked=False,
        narrow={'int8': ('dense', 'static')},
        exported=('.onnx',),
        marker='^',
        load=load,
        compact=None,
    )
)
