"""`bench`: how long the network takes: dense, masked, compact and without gates, in every engine, side by side in one run.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME bench
"""

import logging
import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import ARTIFACTS, CHECKPOINTS, NETWORK, Product, Run, action, width
from mayo.util.files import find
from mayo.util.kinds import FLAG, FRACTION, PATHS, TEXT, choice, choice_of, each, when, whole
from mayo.util.schema import listed, number, record, text
from mayo.util.schema import whole as integer
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.bench import Plan
    from mayo.config import Config

_log = logging.getLogger(__name__)
PICTURE = when(
    'a path that ends in .png, .svg or .pdf', lambda value: isinstance(value, str) and value.endswith(('.png', '.svg', '.pdf'))
)
ENGINES = (
    'tensorflow',
    'xla',
    'onnxruntime',
    'openvino',
    'nncf',
    'litert',
    'native',
)  # that are timed where nothing else is said


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
    Setting(
        'accuracy',
        whole(0),
        1000,
        'validation images on which each is judged, where a checkpoint and they are at hand; 0: none',
    ),
    Setting('dense', TEXT, None, 'checkpoint of the network without gates, which `dense` then is, e.g. pretrained'),
    Setting('layers', FLAG, False, 'also the time of each layer in the native engine, beside its MACs'),
    Setting('busy', whole(0), 0, 'then all again beside so many processes that compute: how slow the slowest calls are'),
    Setting('plot', PICTURE, None, 'picture of the times over the densities: .png, .svg or .pdf'),
)

_TIMES = record(
    'seconds of a call',
    median=number('of all calls'),
    p5=number('5th percentile'),
    p95=number('95th percentile'),
    calls=integer('that were timed'),
    longest=number('of them'),
)
_MEASUREMENT = record(
    'a network in an engine; null is what there is nothing to compare with, or to count',
    network=text('dense, masked, compact, static or artifact'),
    engine=text('what runs it'),
    label=text('both, as in the table'),
    seconds=_TIMES,
    images_per_second=number('at the median'),
    macs=integer('executed for an image', null=True),
    precision=text('float32, bfloat16 or int8'),
    speedup=number('time of the fastest dense engine over this one', null=True),
    of_dense=number('the same, of the dense engines of the same precision', null=True),
    of_static=number('the same, of the static networks', null=True),
    efficiency=number('speedup times the share of MACs that is executed', null=True),
    peak_bytes=integer('of the memory of a process that does nothing else'),
    difference=number('largest, from the outputs of the same function, over the largest output', null=True),
    top1=number('share of the judged images of which it finds the class; null: not judged', null=True),
)
RESULT = record(
    'times, and how they compare',
    model=text('its name'),
    input_shape=listed('of an image', integer('height, width, channels')),
    weights=text('whose'),
    threads=integer('of each engine'),
    groups=listed(
        'of networks that took turns',
        record(
            'one batch size, one density',
            batch_size=integer('images at once'),
            density=number('of every gate; null: of a dense network, or gates differ', null=True),
            dense_macs=integer('of an image, nothing skipped'),
            measurements=listed('of each network in each engine', _MEASUREMENT),
            mask_change=number('share of the active channels of an image that the next one has not', null=True),
            layers=listed(
                'with bench.layers, in the native engine',
                record(
                    'a layer',
                    label=text('of the network'),
                    layer=text('its name'),
                    macs=integer('executed for an image'),
                    seconds=number('median'),
                ),
            ),
            busy=integer('other processes that computed meanwhile'),
        ),
    ),
    notes=listed('what is missing, and what to know', text('a sentence')),
    judged=integer('images on which top1 was measured'),
)


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """Exported files that are not there, and a checkpoint."""
    if (dense := config.get('bench.dense')) is not None and CHECKPOINTS not in products:
        from mayo.session.stored import store_of

        store_of(config).resolve(dense, key='bench.dense')
    for path in [] if ARTIFACTS in products else _artifacts(config):
        if find(path) is None:
            yield f'{config.origin("bench.artifact")}: bench.artifact: {path} does not exist.'


@action('bench', place=130, needs=NETWORK, reads=(), loads=True, makes=(), settings=(BENCH,), check=check, result=RESULT)
def act(run: Run) -> None:
    """Time and memory of dense, masked, compact, side by side."""
    session = run.session
    import dataclasses

    from mayo.bench import plot, render
    from mayo.bench.command import measured

    format, path, picture, judged, dense = (
        run.config.get(f'bench.{key}') for key in ('format', 'path', 'plot', 'accuracy', 'dense')
    )
    bench = measured(session, plan(run.config), picture, judged, dense)
    run.answer(dataclasses.asdict(bench), render(bench, format, width()), path)
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
        busy=settings['busy'],
    )


def _artifacts(config: 'Config') -> list[str]:
    given = config.get('bench.artifact') or []
    return [given] if isinstance(given, str) else given
