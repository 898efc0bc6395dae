"""NNCF, which makes int8 of a network for OpenVINO: what an engineer gets who quantizes the dense network in ten minutes.

It chooses itself where numbers are bytes, by what OpenVINO then fuses, and finds the ranges on the images that it is given.
"""

import logging
import pathlib
import typing

from mayo.net.tf.engines.base import Engine, Job, Loaded, Masked, NetworkFile, as_onnx, engines, quietly
from mayo.util.errors import RunError

if typing.TYPE_CHECKING:
    import numpy as np

    from mayo_runtime.program import Program


def write(network: 'Program | Masked', path: pathlib.Path, batch_size: int, images: 'np.ndarray') -> None:
    """OpenVINO's file `path`, .xml, and its weights beside it. RunError: NNCF cannot."""
    with quietly():
        import nncf
    import openvino

    from mayo_runtime.narrow import widened

    assert not isinstance(network, Masked)
    wide = path.with_suffix('.onnx')
    as_onnx(widened(network, 'int8'), wide, batch_size, images)
    nncf.set_log_level(logging.ERROR)
    batches = [images[start : start + batch_size] for start in range(0, len(images) - batch_size + 1, batch_size)]
    model = openvino.Core().read_model(wide)
    try:
        with quietly():
            narrow = nncf.quantize(model, nncf.Dataset(batches), subset_size=len(batches))
    except Exception as error:  # of any kind, from the layers of two packages
        raise RunError(f'NNCF cannot: {str(error).partition(chr(10))[0]}') from None
    openvino.save_model(narrow, path)


def load(job: Job) -> Loaded:
    """The file in OpenVINO."""
    from mayo.net.tf.engines import openvino

    return openvino.load(job)


engines.register('nncf')(
    Engine(
        packages=('openvino', 'nncf'),
        extra='bench',
        network_file=NetworkFile('.xml', ('onnx',), write),
        networks={'int8': ('dense', 'static')},
        exported=(),
        marker='d',
        load=load,
        compact=None,
    )
)
