"""What `export` does with a session."""

import hashlib
import logging
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mayo.checkpoint import bundle
from mayo.export.artifact import Preprocessing, Size, Subject, formats
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
    top1: float | None = None,
) -> Export:
    """The artifacts, written into the folder and compared.

    names: of the formats. images: on so many the files are compared. preprocesses: whether the files do the steps of
    evaluation themselves, for images of `image_size` or, if that is None, of any size. top1: where it was evaluated before.
    """
    network = _network(session, names)
    if session.quantized and not all(formats[name].narrow for name in names):
        others = ', '.join(name for name in names if not formats[name].narrow)
        _log.warning('%s: the files compute in float32: the ranges of %s stay in its checkpoint', others, session.weights)
    exporting = subject(session, network, preprocesses, image_size, top1)
    written = export(exporting, _reference(network, exporting.preprocessing), names, folder, images)
    if written.gated and written.masks == 1:
        _log.warning('all images chose the same channels: the comparison cannot tell whether the files choose at all')
    return written


def _network(session: 'Session', names: Sequence[str]) -> 'Network':
    """The network with its weights, in float32 whatever it was trained in. UserError with each layer that cannot be compact."""
    from mayo.net.tf.compact import unsupported
    from mayo.net.tf.network import Network
    from mayo.session.base import dtype_policy

    reasons = unsupported(session.graph)
    reasons += [
        f'{name}: gate_params.threshold is {gate.threshold}, so the number of active channels varies from image to image, '
        'where the files have fixed shapes; threshold online fixes it.'
        for name, gate in varying(session.graph).items()
        if not all(formats[format].any_count for format in names)
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


def subject(session: 'Session', network: 'Network', preprocesses: bool, image_size: Size | None, top1: float | None) -> Subject:
    """The compact network, with the preprocessing of evaluation inside or left out."""
    from mayo.net.tf.compact import lower
    from mayo.session.execution import in_bytes
    from mayo.session.steps import steps_of

    config = session.config
    steps = steps_of(config, 'validate')
    inside = None
    if preprocesses:
        height, width, channels = session.input_shape.dims
        inside = Preprocessing(steps, (height, width, channels), image_size)
    program = lower(network, session.input_shape)
    return Subject(
        session.model_name,
        program,
        network.is_probability,
        _labels(session),
        inside,
        () if inside else steps,
        _origin(session, top1),
        in_bytes(session, program) if session.quantized else None,
    )


def _labels(session: 'Session') -> Sequence[str] | None:
    from mayo.session.data import class_names

    if all(session.config.get(key) is None for key in ('dataset.labels', 'dataset.prepare.classes')):
        return None
    try:
        return class_names(session.config)
    except UserError as error:
        _log.warning('no labels.txt: %s', error)
        return None


def _origin(session: 'Session', top1: float | None) -> Mapping[str, str]:
    """Lines of the README."""
    config = session.config
    densities = {gate.density for gate in gates_of(session.graph).values()}
    checksum = _sum_of_checkpoint(session)
    facts: dict[str, Any] = {
        'network': config.get('model.description') or session.model_name,
        'trained on': config.get('dataset.description') or config.get('dataset.name'),
        'checkpoint': session.weights or 'none, the weights are random',
        'SHA-256 of the checkpoint': checksum,
        'top-1': None if top1 is None or checksum is None else f'{top1:.2%}'.replace('%', ' %'),
        'density': ', '.join(f'{density:g}' for density in sorted(densities)) if densities else None,
    }
    return {name: str(value) for name, value in facts.items() if value}


def _sum_of_checkpoint(session: 'Session') -> str | None:
    """Of the bytes of its files, by their names; None where the weights are those of no checkpoint that was named."""
    load = session.config.get('system.checkpoint.load')
    if load is None or session.weights != load:
        return None
    prefix = session.store.resolve(load, session.run)
    content = hashlib.sha256()
    for file in [*([index] if (index := bundle.index_file(prefix)).exists() else []), *bundle.data_files(prefix)]:
        content.update(file.read_bytes())
    return content.hexdigest()


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
