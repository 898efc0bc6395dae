"""`profile-timeline`: the trace is Chrome's format, and the time of a layer is that of its operations."""

import json
import pathlib
import re
from collections.abc import Callable

import numpy as np
import pytest
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from mayo.cli.main import main
from mayo.config import Config
from mayo.session.base import Session
from mayo.training.timeline import Event, chrome_trace, events_of, layer_times, timeline


def trace() -> bytes:
    """A processor with two threads: one starts a microsecond later."""
    space = xplane_pb2.XSpace()
    plane = space.planes.add(name='/host:CPU')
    plane.event_metadata[1].name = 'net/conv0_1/Conv2D:Conv2D'
    plane.event_metadata[2].name = 'train'
    for number, (start, metadata, offset, duration) in enumerate([(5_000, 1, 2_000_000, 3_000_000), (6_000, 2, 0, 500_000)]):
        line = plane.lines.add(id=number, name=f'thread{number}', timestamp_ns=start)
        line.events.add(metadata_id=metadata, offset_ps=offset, duration_ps=duration)
    return space.SerializeToString()


def test_events_are_in_microseconds_from_the_first_thread_on() -> None:
    assert list(events_of(trace())) == [
        Event('/host:CPU', 'thread0 0', 'net/conv0_1/Conv2D:Conv2D', 2.0, 3.0),
        Event('/host:CPU', 'thread1 1', 'train', 1.0, 0.5),
    ]


def test_a_trace_for_chrome_names_processes_and_threads_and_has_every_event() -> None:
    written = json.loads(json.dumps(chrome_trace(events_of(trace()))))
    names = {(entry['name'], entry['args']['name']) for entry in written['traceEvents'] if entry['ph'] == 'M'}
    assert names == {('process_name', '/host:CPU'), ('thread_name', 'thread0 0'), ('thread_name', 'thread1 1')}
    assert [entry for entry in written['traceEvents'] if entry['ph'] == 'X'] == [
        {'ph': 'X', 'pid': 1, 'tid': 1, 'name': 'net/conv0_1/Conv2D:Conv2D', 'ts': 2.0, 'dur': 3.0},
        {'ph': 'X', 'pid': 1, 'tid': 2, 'name': 'train', 'ts': 1.0, 'dur': 0.5},
    ]


@pytest.mark.parametrize(
    'name, place',
    [
        ('net_1/conv1_1/Conv2D:Conv2D', ('forward', 'conv1')),
        ('net/fire.squeeze/Relu:Relu', ('forward', 'fire/squeeze')),
        ('net_1/drop_2_1/mul:Mul', ('forward', 'drop_2')),
        ('gradient_tape/net_1/conv1_1/Conv2DBackpropFilter:Conv2DBackpropFilter', ('backward', 'conv1')),
        ('update/conv9/AssignSub:AssignSub', ('other', '')),
        ('net_1/conv1_1/Conv2D', None),  # no operation: those have a type after a colon
        ('convert_to_tensor', None),
    ],
)
def test_an_operation_belongs_to_the_layer_among_its_scopes(name: str, place: tuple[str, str] | None) -> None:
    layers = ['conv1', 'fire/squeeze', 'drop_2']
    times = layer_times([Event('', '', name, 0.0, 6000.0)], layers, steps=2)
    expected = {'forward': dict.fromkeys(layers, 0.0), 'backward': dict.fromkeys(layers, 0.0)}
    if place and place[0] != 'other':
        expected[place[0]][place[1]] = 3.0
    assert (times.forward, times.backward) == (expected['forward'], expected['backward'])
    assert times.other == (3.0 if place == ('other', '') else 0.0)


def test_training_is_traced_and_leaves_the_weights(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> None:
    session = Session(config_of())
    session.load()
    before = {name: variable.numpy() for name, variable in session.named().items()}
    text = timeline(session, 2, tmp_path / 'out', trains=True)
    rows = {row[0]: float(row[2]) for row in re.findall(r'^(\w+) +([\d.]+) +([\d.]+) ', text, re.MULTILINE)}
    assert set(rows) == {'conv0', 'drop', 'conv1', 'pool', 'logits'}
    assert rows['conv1'] > 0
    assert re.search(r'^2 steps of train; written: ', text, re.MULTILINE)
    names = {entry['name'] for entry in json.loads((tmp_path / 'out/timeline.json').read_text())['traceEvents']}
    assert any('conv1' in name and 'Backprop' in name for name in names)
    assert len(list(tmp_path.glob('out/plugins/profile/*/*.xplane.pb'))) == 1
    for name, variable in session.named().items():
        np.testing.assert_array_equal(variable.numpy(), before[name])


def test_without_a_trainer_evaluation_is_traced(
    config_of: Callable[..., Config], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'tiny.yaml'
    path.write_text(config_of('train.optimizer=null', 'dataset.path.train=null').to_yaml())
    words = ['timeline.steps=1', f'system.search_path.profile=[{tmp_path}/old]', 'profile-timeline']
    assert main([str(path), *words]) == 0
    text = capsys.readouterr().out
    assert re.search(r'^1 steps of validate; written: .*old/timeline.json', text, re.MULTILINE)
    assert re.search(r'^conv1 +[\d.]+ +0.000 ', text, re.MULTILINE)


def test_what_a_timeline_of_training_needs_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = ['models/lenet5.yaml', 'datasets/fashion_mnist.yaml', 'train.optimizer={type: keras.optimizers.SGD}']
    assert main([*words, 'profile-timeline']) == 2
    assert '`profile-timeline` needs train.max_epochs and train.learning_rate' in capsys.readouterr().err
