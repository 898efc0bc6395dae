"""ONNX, for onnxruntime, OpenVINO and many more: one image of a fixed size at a time."""

import functools
import pathlib
import typing

from mayo.export.artifact import Classify, Format, Preprocessing, Subject, formats

if typing.TYPE_CHECKING:
    import numpy as np

    from mayo.net.tf.compact.onnx_writer import Writer

SNIPPET = """\
import onnxruntime
network = onnxruntime.InferenceSession('model.onnx')
(outputs,) = network.run(None, {'images': images})"""

LIMIT = 2 << 30  # bytes that a file can hold


def refuse(subject: Subject) -> list[str]:
    """Why it cannot be held: steps that ONNX has no operation for, several gigabytes."""
    from mayo.export import onnx_steps

    reasons = [] if subject.preprocessing is None else onnx_steps.refuse(subject.preprocessing.steps)
    size = sum(operation.weights.nbytes for operation in subject.program.operations if hasattr(operation, 'weights'))
    if size >= LIMIT:
        reasons.append(f'holds 2 GiB, but the weights are {size / 2**30:.1f} GiB.')
    return reasons


def write(subject: Subject, path: pathlib.Path) -> None:
    """Writes the file `path`."""
    import onnx

    from mayo.net.tf.compact.onnx import Images, onnx_model

    images = None
    if subject.preprocessing is not None:
        images = Images(subject.dims, functools.partial(preprocess, preprocessing=subject.preprocessing))
    model = onnx_model(subject.program, subject.name, images=images)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def preprocess(writer: 'Writer', image: str, dims: tuple[int, int, int], preprocessing: Preprocessing) -> str:
    """The steps, from [1, H, W, C] float32 in 0..255 to what the network reads."""
    from mayo.data.augment import fitted
    from mayo.export import onnx_steps

    for step in fitted(preprocessing.steps, preprocessing.shape, dims[:2]):
        image, dims = onnx_steps.write(writer, image, dims, preprocessing.shape, step)
    assert dims == preprocessing.shape, f'steps give {dims}, the network reads {preprocessing.shape}'
    return image


def load(path: pathlib.Path) -> Classify:
    """The artifact as onnxruntime runs it."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])

    def classify(images: 'np.ndarray') -> 'np.ndarray':
        outputs: np.ndarray = session.run(None, {'images': images})[0]
        return outputs

    return classify


formats.register('onnx')(
    Format(
        title='ONNX',
        file='model.onnx',
        to_write=('onnx',),
        to_run=('onnxruntime',),
        extra='export',
        any_batch=False,
        any_size=False,
        refuse=refuse,
        write=write,
        load=load,
        snippet=SNIPPET,
    )
)
