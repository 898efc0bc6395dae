"""What `bench` does with a session."""

import logging
import pathlib
import typing

import numpy as np

from mayo.bench import plot
from mayo.bench.latency import Plan, measure
from mayo.bench.modes import Judges, Subject
from mayo.bench.record import Bench
from mayo.net.gates import is_gated
from mayo.util.errors import UserError

if typing.TYPE_CHECKING:
    from mayo.session.base import Session

DENSE = 'bench.dense'
OTHERS = 64  # images on which ranges of int8 are measured
READ = 64  # images read at once

_log = logging.getLogger(__name__)


def measured(
    session: 'Session', plan: Plan, picture: str | pathlib.Path | None = None, judged: int = 0, dense: str | None = None
) -> Bench:
    """The figures. RunError, before the long part, where `picture` is to be drawn of them and cannot be.

    judged: images of validation on which accuracy is measured, where the weights are no random ones. dense: the checkpoint of the
    network without gates.
    """
    if picture is not None:
        plot.check(session.graph)
    session.load()
    return measure(subject(session, judged, dense), plan)


def subject(session: 'Session', judged: int = 0, dense: str | None = None) -> Subject:
    """The network with the weights it has now. judged, dense: as for `measured`."""
    return Subject(
        session.model_name,
        session.graph,
        session.input_shape,
        _weights(session),
        f'weights of {session.weights}' if session.weights else 'random weights',
        computed=_computed(session) if session.network.overriding else None,
        dense=None if dense is None else _dense(session, dense),
        ranges=session.quantized,
        judges=_judges(session, judged) if judged and session.weights else None,
    )


def _weights(session: 'Session') -> dict[str, np.ndarray]:
    return {name: np.asarray(variable, np.float32) for name, variable in session.network.named_variables().items()}


def _computed(session: 'Session') -> dict[str, np.ndarray]:
    return {name: np.asarray(value, np.float32) for name, value in session.network.effective_weights().items()}


def _dense(session: 'Session', name: str) -> dict[str, np.ndarray]:
    """The weights of a checkpoint of the same network without gates. UserError: it has gates, or other weights."""
    other = session.of_checkpoint(name, DENSE)
    other.load()
    if is_gated(other.graph):
        raise UserError(
            f'{session.config.origin(DENSE)}: {DENSE}: {name} has gates; name the network that was trained without.'
        )
    weights = _computed(other)
    wanted = {name: value.shape for name, value in _weights(session).items() if '/gate/' not in name}
    for weight, shape in wanted.items():
        if weight not in weights or weights[weight].shape != shape:
            there = list(weights[weight].shape) if weight in weights else 'not there'
            raise UserError(
                f'{session.config.origin(DENSE)}: {DENSE}: {name} is of another network: {weight} is {there}, here {list(shape)}.'
            )
    return weights


def _judges(session: 'Session', count: int) -> Judges | None:
    """The first `count` validation images, and training images for ranges, or validation images that do not judge."""
    try:
        images, labels = _read(session, 'validate', count + OTHERS)
    except UserError as error:
        _log.warning('no accuracy: %s', error)
        return None
    try:
        others, _ = _read(session, 'train', OTHERS)
        return Judges(images[:count], labels[:count], others)
    except UserError:
        judged = min(count, len(images) - min(OTHERS, len(images) // 4))
        _log.info(
            'no training images: ranges of int8 are measured on %d validation images that do not judge', len(images) - judged
        )
        return Judges(images[:judged], labels[:judged], images[judged:])


def _read(session: 'Session', mode: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` images of a mode and their labels, fewer where there are not so many. UserError: there is none."""
    from mayo.session import data

    source = data.data_of(session.config, mode)
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    with source.reading():
        for batch, of_batch in data.epoch_of(session.config, mode, data=source, batch_size=min(READ, count)):
            images.append(batch.numpy())
            labels.append(of_batch.numpy())
            if sum(map(len, labels)) >= count:
                break
    if not images:
        raise UserError(f'there is no image of `{mode}`.')
    return np.concatenate(images)[:count], np.concatenate(labels)[:count]
