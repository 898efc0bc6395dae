"""OpenVINO, which runs ONNX files."""

import typing
from collections.abc import Sequence
from typing import Any

from mayo.net.tf.engines.base import ONNX, Engine, Job, Loaded, alone, engines

if typing.TYPE_CHECKING:
    import numpy as np


def load(job: Job) -> Loaded:
    """An ONNX file, computed in float32 also where the machine has 16-bit units, unless the job says bfloat16."""
    import numpy as np
    import openvino

    core = openvino.Core()
    model = core.read_model(job.path)
    single = alone(job, _first(model.input(0).get_partial_shape()))
    settings = {
        'INFERENCE_PRECISION_HINT': 'bf16' if job.precision == 'bfloat16' else 'f32',
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


def in_requests(requests: Sequence[Any], images: 'np.ndarray') -> 'list[np.ndarray]':
    """Each image of a batch by itself, as many at once as there are requests; OpenVINO hangs if Python threads share it."""
    import numpy as np

    def finished(index: int) -> list[np.ndarray]:
        """The outputs of the request that was started for the image `index`."""
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


engines.register('openvino')(
    Engine(
        packages=('openvino',),
        extra='bench',
        network_file=ONNX,
        masked=False,
        narrow={'bfloat16': ('dense', 'compact', 'static'), 'int8': ('dense', 'static')},
        exported=(),
        marker='D',
        load=load,
        compact=None,
    )
)
