"""What `export` does with a session."""

import logging
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mayo.export.artifact import Preprocessing, Size, Subject
from mayo.export.compare import Gated, Reference
from mayo.export.write import Export, export
from mayo.net.gates import gates_of, varying
from mayo.util.errors import UserError

if typing.TYPE_CHECKING:
    from mayo.net.tf.network import Network
    from mayo.session.base import Session

_log = logging.getLogger(__name__)
BATCH = 8  # images at once through masked execution


def exported(
    session: 'Session',
    names: Sequence[str],
    folder: pathlib.Path,
    images: int,
    preprocesses: bool = False,
    image_size: Size | None = None,
) -> Export:
    """The artifacts, written into the folder and compared.

    names: of the formats. images: on so many the files are compared. preprocesses: whether the files do the steps of
    evaluation themselves, for images of `image_size` or, if that is None, of any size.
    """
    network = _network(session)
    if session.quantized:
        _log.warning('the files compute in float32: the ranges of %s stay in its checkpoint', session.weights)
    exporting = subject(session, network, preprocesses, image_size)
    written = export(exporting, _reference(network, exporting.preprocessing), names, folder, images)
    if written.gated and written.masks == 1:
        _log.warning('all images chose the same channels: the comparison cannot tell whether the files choose at all')
    return written


def _network(session: 'Session') -> 'Network':
    """The network with its weights, in float32 whatever it was trained in. UserError with each layer that cannot be compact."""
    from mayo.net.tf.compact import unsupported
    from mayo.net.tf.network import Network
    from mayo.session.base import dtype_policy

    reasons = unsupported(session.graph)
    reasons += [
        f'{name}: gate_params.threshold is {gate.threshold}, so the number of active channels varies from image to image, '
        'where the files have fixed shapes; threshold online fixes it.'
        for name, gate in varying(session.graph).items()
    ]
    if reasons:
        raise UserError('\n'.join(['`export` writes the compact network, but', *reasons]))
    session.load()
    if session.config.get('system.precision') == 'float32':
        return session.network
    with dtype_policy('float32'):
        network = Network(session.graph, session.input_shape, session.model_name)
    trained = session.network.named_variables()
    for name, variable in network.named_variables().items():
        variable.assign(trained[name])
    return network


def subject(session: 'Session', network: 'Network', preprocesses: bool, image_size: Size | None) -> Subject:
    """The compact network, with the preprocessing of evaluation inside or left out."""
    from mayo.net.tf.compact import lower
    from mayo.session.steps import steps_of

    config = session.config
    steps = steps_of(config, 'validate')
    inside = None
    if preprocesses:
        height, width, channels = session.input_shape.dims
        inside = Preprocessing(steps, (height, width, channels), image_size)
    return Subject(
        session.model_name,
        lower(network, session.input_shape),
        network.is_probability,
        _labels(session),
        inside,
        () if inside else steps,
        _origin(session),
    )


def _labels(session: 'Session') -> Sequence[str] | None:
    from mayo.session.data import class_names

    if session.config.get('dataset.labels') is None:
        return None
    try:
        return class_names(session.config)
    except UserError as error:
        _log.warning('no labels.txt: %s', error)
        return None


def _origin(session: 'Session') -> Mapping[str, str]:
    """Lines of the README."""
    config = session.config
    densities = {gate.density for gate in gates_of(session.graph).values()}
    facts: dict[str, Any] = {
        'network': config.get('model.description') or session.model_name,
        'trained on': config.get('dataset.description') or config.get('dataset.name'),
        'checkpoint': session.weights or 'none, the weights are random',
        'density': ', '.join(f'{density:g}' for density in sorted(densities)) if densities else None,
    }
    return {name: str(value) for name, value in facts.items() if value}


def _reference(network: 'Network', preprocessing: Preprocessing | None) -> Reference:
    """Masked execution of images as an artifact takes them."""
    import tensorflow as tf

    from mayo.export.function import preprocess

    def read(images: np.ndarray) -> tf.Tensor:
        if preprocessing is None:
            return tf.constant(images)
        return tf.stack([preprocess(image, preprocessing) for image in images])

    def run(images: np.ndarray) -> tuple[np.ndarray, list[Gated]]:
        outputs, gates = [], []
        for start in range(0, len(images), BATCH):
            batch, stats = network(read(images[start : start + BATCH]), training=False)
            outputs.append(batch.numpy())
            gates.append([(stat.saliency.numpy(), stat.mask.numpy()) for stat in stats.values()])
        joined = [Gated(*map(np.concatenate, zip(*parts, strict=True))) for parts in zip(*gates, strict=True)]
        return np.concatenate(outputs), joined

    return run
