"""What `bench` measures and how, read from a session and its configuration."""

import typing

import numpy as np

from mayo.bench import Bench, Plan, Subject, measure, plot
from mayo.config import Config
from mayo.util.files import find

if typing.TYPE_CHECKING:
    from mayo.session.base import Session


def measured(session: 'Session') -> Bench:
    """The figures. Errors that would show after the long part are told before it: RunError without what draws."""
    if session.config.get('bench.plot') is not None:
        plot.check(session.graph)
    session.load()
    return measure(subject(session), plan(session.config))


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


def plan(config: Config) -> Plan:
    """bench.*, and the threads that system.threads gives an operation."""
    settings = config.get('bench')
    artifacts = settings['artifact'] or []
    return Plan(
        batch_sizes=settings['batch_sizes'],
        densities=settings['densities'] or (),
        networks=settings['networks'],
        engines=settings['engines'],
        rounds=settings['rounds'],
        images=settings['images'],
        artifacts=[str(find(path) or path) for path in ([artifacts] if isinstance(artifacts, str) else artifacts)],
        threads=config.get('system.threads.intra'),
    )
