"""`bench`: how long the network takes: dense, masked, compact and without gates, in every engine, side by side in one run.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME bench
"""

import logging
import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import ARTIFACTS, NETWORK, Product, Run, action, put, width
from mayo.util.files import find
from mayo.util.kinds import FLAG, FRACTION, PATHS, TEXT, choice, choice_of, each, when, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.bench import Plan
    from mayo.config import Config

_log = logging.getLogger(__name__)
PICTURE = when(
    'a path that ends in .png, .svg or .pdf', lambda value: isinstance(value, str) and value.endswith(('.png', '.svg', '.pdf'))
)
ENGINES = ('tensorflow', 'xla', 'onnxruntime', 'openvino', 'native')  # that are timed where nothing else is said


def _engines() -> Collection[str]:
    """Those that run networks: a file in mayo/net/tf/engines enters each. Importing them is left to who needs them."""
    from mayo.net.tf.engines import of_networks

    return of_networks()


BENCH = Section(
    'bench',
    'what is timed, and how',
    Setting('batch_sizes', each(whole(1), lone=True), [1], 'images at once, each measured'),
    Setting(
        'densities',
        each(FRACTION, lone=True),
        None,
        'of every gate, each measured: [1.0, 0.5, 0.25]; null: as gate_params have it',
    ),
    Setting(
        'networks',
        each(choice('dense', 'masked', 'compact', 'static'), lone=True),
        ['dense', 'masked', 'compact', 'static'],
        'static: the same widths without gates, the ceiling',
    ),
    Setting(
        'engines', each(choice_of(_engines, *ENGINES), lone=True), list(ENGINES), 'those that are not installed are left out'
    ),
    Setting(
        'precisions',
        each(choice('float32', 'bfloat16', 'int8'), lone=True),
        ['float32'],
        '[float32, bfloat16, int8]: each in the engines that have it',
    ),
    Setting('artifact', PATHS, None, 'also measure an exported .onnx, .tflite or SavedModel folder, or a list of them'),
    Setting('rounds', whole(1), 20, 'turns that each network in each engine gets'),
    Setting('images', whole(1), 16, 'different random images'),
    Setting('format', choice('table', 'json'), 'table', 'table or json'),
    Setting('path', TEXT, None, 'file that is written; null: standard output'),
    Setting('layers', FLAG, False, 'also the time of each layer in the native engine, beside its MACs'),
    Setting('plot', PICTURE, None, 'picture of the times over the densities: .png, .svg or .pdf'),
)


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """Exported files that are not there."""
    for path in [] if ARTIFACTS in products else _artifacts(config):
        if find(path) is None:
            yield f'{config.origin("bench.artifact")}: bench.artifact: {path} does not exist.'


@action('bench', place=130, needs=NETWORK, reads=(), loads=True, makes=(), settings=(BENCH,), check=check)
def act(run: Run) -> None:
    """Time and memory of dense, masked, compact, side by side."""
    session = run.session
    from mayo.bench import plot, render
    from mayo.bench.command import measured

    format, path, picture = (run.config.get(f'bench.{key}') for key in ('format', 'path', 'plot'))
    bench = measured(session, plan(run.config), picture)
    put(render(bench, format, width()), path)
    if picture is not None:
        plot.plot(bench, picture)
        _log.info('written: %s', picture)


def plan(config: 'Config') -> 'Plan':
    """What bench.* and system.threads ask for."""
    from mayo.bench import Plan

    settings = config.get('bench')
    return Plan(
        batch_sizes=settings['batch_sizes'],
        densities=settings['densities'] or (),
        networks=settings['networks'],
        engines=settings['engines'],
        precisions=settings['precisions'],
        rounds=settings['rounds'],
        images=settings['images'],
        artifacts=[str(find(path) or path) for path in _artifacts(config)],
        threads=config.get('system.threads.intra'),
        layers=settings['layers'],
    )


def _artifacts(config: 'Config') -> list[str]:
    given = config.get('bench.artifact') or []
    return [given] if isinstance(given, str) else given
