"""What `bench` does with a session."""

import pathlib
import typing

import numpy as np

from mayo.bench import plot
from mayo.bench.latency import Plan, measure
from mayo.bench.modes import Subject
from mayo.bench.record import Bench

if typing.TYPE_CHECKING:
    from mayo.session.base import Session


def measured(session: 'Session', plan: Plan, picture: str | pathlib.Path | None = None) -> Bench:
    """The figures. RunError, before the long part, where `picture` is to be drawn of them and cannot be."""
    if picture is not None:
        plot.check(session.graph)
    session.load()
    return measure(subject(session), plan)


def subject(session: 'Session') -> Subject:
    """The network with the weights it has now."""
    weights = {name: np.asarray(variable, np.float32) for name, variable in session.network.named_variables().items()}
    return Subject(
        session.model_name,
        session.graph,
        session.input_shape,
        weights,
        f'weights of {session.weights}' if session.weights else 'random weights',
    )
