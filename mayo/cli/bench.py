"""What `bench` measures and how, read from a session and its configuration."""
import typing

import numpy as np

from mayo.bench import Bench, Plan, Subject, measure, plot
from mayo.config import Config
from mayo.util.files import find

if typing.TYPE_CHECKING:
    from mayo.session.base import Session


def measured(session: 'Session') -> Bench:
    """The figures, drawn into bench.plot if that is set."""
    picture = session.config.get('bench.plot')
    if picture is not None:
        plot.check()                    # before the long part
    session.load()
    found = measure(subject(session), plan(session.config))
    if picture is not None:
        plot.plot(found, picture)
    return found


def subject(session: 'Session') -> Subject:
    """The network with the weights it has now."""
    weights = {name: np.asarray(variable, np.float32) for name, variable in session.network.named_variables().items()}
    loaded = session.config.get('system.checkpoint.load')
    return Subject(session.model_name, session.graph, session.input_shape, weights,
                   f'weights of {loaded}' if loaded else 'random weights')


def plan(config: Config) -> Plan:
    """bench.*, and the threads that system.threads gives an operation."""
    settings = config.get('bench')
    artifacts = settings['artifact'] or []
    return Plan(
        batch_sizes=settings['batch_sizes'], densities=settings['densities'] or (), networks=settings['networks'],
        engines=settings['engines'], rounds=settings['rounds'], images=settings['images'],
        artifacts=[str(find(path) or path) for path in ([artifacts] if isinstance(artifacts, str) else artifacts)],
        threads=config.get('system.threads.intra'))
