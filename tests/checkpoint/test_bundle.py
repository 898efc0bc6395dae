"""Bundles: what is written is read; what is damaged is said to be; nothing is ever half there."""

import collections
import contextlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from mayo.checkpoint import bundle
from mayo.util import files
from mayo.util.errors import RunError, UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]

TENSORS: dict[str, Any] = {
    'net/conv/weights': np.arange(18, dtype=np.float32).reshape(3, 3, 2),
    'imgs_seen': np.array(7),
    'mayo/config': 'a: é\n',
}


@pytest.fixture
def prefix(tmp_path: pathlib.Path) -> pathlib.Path:
    bundle.write(tmp_path / 'net.v1' / 'epoch-3', TENSORS)
    return tmp_path / 'net.v1' / 'epoch-3'


def test_what_is_written_is_read(prefix: pathlib.Path) -> None:
    read = bundle.read(prefix)
    np.testing.assert_array_equal(read.pop('net/conv/weights'), TENSORS['net/conv/weights'])
    assert read == {'imgs_seen': 7, 'mayo/config': 'a: é\n'.encode()}
    assert bundle.shapes(prefix) == {'net/conv/weights': (3, 3, 2), 'imgs_seen': (), 'mayo/config': ()}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=arrays.arrays(
        some.sampled_from([np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0),
    )
)
def test_any_array_comes_back_with_its_type(tmp_path: pathlib.Path, array: Any) -> None:
    bundle.write(tmp_path / 'any', {'x': array})
    read = bundle.read(tmp_path / 'any')['x']
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_the_files_are_those_of_tensorflow(prefix: pathlib.Path) -> None:
    assert sorted(file.name for file in prefix.parent.iterdir()) == ['epoch-3.data-00000-of-00001', 'epoch-3.index']
    assert tf.train.load_variable(str(prefix), 'imgs_seen') == 7


def test_a_bundle_of_tensorflow_is_read(tmp_path: pathlib.Path) -> None:
    names = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])).write(str(tmp_path / 'tf'))
    assert any(np.array_equal(value, [1, 2]) for value in bundle.read(names).values() if isinstance(value, np.ndarray))


class Killed(BaseException):
    """Stands for the end of the process: nothing is cleaned up."""


@pytest.mark.parametrize('parts_before', [1, 2])
@pytest.mark.parametrize('stop', range(8))
def test_a_writer_that_is_killed_at_any_point_leaves_the_old_or_the_new_bundle(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, parts_before: int, stop: int
) -> None:
    for _ in range(parts_before):
        bundle.write(tmp_path / 'net', {'x': np.zeros(3)})
    points = []

    def at(point: str) -> None:
        points.append(point)
        if len(points) == stop + 1:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(bundle, 'at', at)
        patch.setattr(files.shutil, 'rmtree', lambda *args, **kwargs: None)
        with contextlib.suppress(Killed):
            bundle.write(tmp_path / 'net', {'x': np.ones(3)})
    assert bundle.read(tmp_path / 'net')['x'].tolist() in ([0, 0, 0], [1, 1, 1])
    monkeypatch.setattr(files, '_YOUNG', 0.0)
    bundle.tidy(tmp_path)
    assert bundle.read(tmp_path / 'net')['x'].tolist() in ([0, 0, 0], [1, 1, 1])
    index, *data = sorted(file.name for file in tmp_path.iterdir())[::-1]
    assert index == 'net.index'
    assert len(data) in (1, 2)
    assert {name[-5:] for name in data} == {f'{len(data):05}'}
    bundle.write(tmp_path / 'net', {'x': np.ones(3)})
    assert bundle.read(tmp_path / 'net')['x'].tolist() == [1, 1, 1]


def test_what_a_living_writer_has_made_so_far_stays(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle.write(tmp_path / 'net', {'x': np.zeros(3)})
    monkeypatch.setattr(files, '_YOUNG', 0.0)
    monkeypatch.setattr(bundle, 'at', lambda point: tidied.extend(bundle.tidy(tmp_path)))
    tidied: list[str] = []
    bundle.write(tmp_path / 'net', {'x': np.ones(3)})
    assert tidied == []
    assert bundle.read(tmp_path / 'net')['x'].tolist() == [1, 1, 1]


def test_who_reads_while_a_bundle_is_replaced_reads_it_again(prefix: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = []

    def replaced_once(path: str) -> Any:
        readings.append(path)
        if len(readings) == 1:
            bundle.write(prefix, {'imgs_seen': np.array(8)})
            raise ValueError('the data are gone')
        return load(path)

    load = tf.train.load_checkpoint
    monkeypatch.setattr(tf.train, 'load_checkpoint', replaced_once)
    assert bundle.read(prefix) == {'imgs_seen': 8}
    assert len(readings) == 2


def test_a_full_disk_is_told_with_what_is_needed(prefix: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**arguments: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, f'{prefix}; No space left on device')

    monkeypatch.setattr(tf.raw_ops, 'SaveV2', full)
    with pytest.raises(
        RunError, match=r'epoch-3 cannot be written: No space left on device; 1\.91 MiB are needed, \S+ [MGT]iB are free'
    ):
        bundle.write(prefix, {'x': np.zeros(500_000, np.float32)})
    assert bundle.read(prefix)['imgs_seen'] == 7
    assert len(list(prefix.parent.iterdir())) == 2


WRITER = """
import itertools, pathlib, sys
import numpy as np
from mayo.checkpoint import bundle
prefix = pathlib.Path(sys.argv[1])
bundle.write(prefix, {'x': np.zeros(50000), 'y': np.zeros(50000)})
print('ready', flush=True)
for turn in itertools.count(1):
    bundle.write(prefix, {'x': np.full(50000, turn), 'y': np.full(50000, turn)})
"""


@pytest.mark.faults
def test_killed_writers_and_hurried_readers(tmp_path: pathlib.Path) -> None:
    random = np.random.default_rng(0)
    readings: collections.Counter[str] = collections.Counter()
    kills = 40
    for _ in range(kills):
        environment = os.environ | {'PYTHONPATH': str(ROOT)}
        with subprocess.Popen(
            [sys.executable, '-c', WRITER, str(tmp_path / 'net')], env=environment, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == 'ready\n'
            until = time.monotonic() + random.uniform(0, 0.5)
            while time.monotonic() < until:
                readings[_reading(tmp_path / 'net')] += 1
            writer.kill()
        readings[_reading(tmp_path / 'net')] += 1
        bundle.tidy(tmp_path)
        readings[_reading(tmp_path / 'net')] += 1
    assert readings['whole'] == readings.total() > 10 * kills


def _reading(prefix: pathlib.Path) -> str:
    try:
        tensors = bundle.read(prefix)
    except UserError:
        return 'lost'
    return 'whole' if np.unique([tensors['x'], tensors['y']]).size == 1 else 'mixed'


def test_a_write_that_fails_leaves_the_earlier_bundle_and_nothing_else(
    prefix: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(prefix.parent.iterdir())

    def full(*args: Any) -> None:
        raise OSError('no space left on device')

    monkeypatch.setattr(bundle, 'flush', full)
    with pytest.raises(RunError, match='epoch-3 cannot be written: No space left on device'):
        bundle.write(prefix, {'imgs_seen': np.array(8)})
    assert sorted(prefix.parent.iterdir()) == before
    assert bundle.read(prefix)['imgs_seen'] == 7


def test_the_index_is_renamed_last(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    monkeypatch.setattr(bundle, 'flush', lambda path: flushed.append(path.name))
    bundle.write(tmp_path / 'a', TENSORS)
    assert flushed == ['a.data-00000-of-00001', 'a.index', tmp_path.name]


def test_no_bundle_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'epoch-4: no such checkpoint, .*epoch-4\.index does not exist\.'):
        bundle.read(tmp_path / 'epoch-4')


def test_missing_data_are_said(prefix: pathlib.Path) -> None:
    bundle.data_files(prefix)[0].unlink()
    with pytest.raises(UserError, match=r'has an index but no data, expected .*epoch-3\.data-00000-of-00001 beside it'):
        bundle.read(prefix)


def test_a_checkpoint_in_parts_is_read_and_a_part_that_is_missing_is_said(tmp_path: pathlib.Path) -> None:
    for name in 'ab':
        bundle.write(tmp_path / name, {name: np.arange(3)})
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(tmp_path / 'a'), str(tmp_path / 'b')],
        destination_prefix=str(tmp_path / 'parts'),
        delete_old_dirs=False,
    )
    assert sorted(bundle.read(tmp_path / 'parts')) == ['a', 'b']
    (tmp_path / 'parts.data-00001-of-00002').unlink()
    with pytest.raises(UserError, match=r'is in 2 parts, of which \S+parts\.data-00001-of-00002 does not exist\.'):
        bundle.read(tmp_path / 'parts')


def test_the_first_format_of_tensorflow_is_one_file_and_is_read(tmp_path: pathlib.Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable('x/weights', initializer=[1.0, 2.0], use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.train.Saver(write_version=v1.train.SaverDef.V1).save(session, str(tmp_path / 'old.ckpt'), write_meta_graph=False)
    assert bundle.is_first_format(tmp_path / 'old.ckpt')
    np.testing.assert_array_equal(bundle.read(tmp_path / 'old.ckpt')['x/weights'], [1, 2])
    (tmp_path / 'cut').write_bytes((tmp_path / 'old.ckpt').read_bytes()[:-1])
    assert not bundle.is_first_format(tmp_path / 'cut')
    assert not bundle.is_first_format(tmp_path)


@pytest.mark.parametrize('suffix', ['.index', '.data-00000-of-00001'])
def test_a_git_lfs_pointer_is_said(prefix: pathlib.Path, suffix: str) -> None:
    file = prefix.with_name(prefix.name + suffix)
    file.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n')
    with pytest.raises(UserError, match=r'epoch-3\.\S+: a Git-LFS pointer, not the file itself; `git lfs pull` fetches it'):
        bundle.read(prefix)


@pytest.mark.parametrize('suffix', ['.index', '.data-00000-of-00001'])
@pytest.mark.parametrize(
    'damage',
    [lambda b: b[:0], lambda b: b[:10], lambda b: b[:-3], lambda b: bytes([b[0] ^ 1]) + b[1:]],
    ids=['empty', 'short', 'cut', 'flipped'],
)
def test_damage_is_said(prefix: pathlib.Path, suffix: str, damage: Any) -> None:
    file = prefix.with_name(prefix.name + suffix)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError, match='epoch-3: the checkpoint is truncated or corrupt'):
        bundle.read(prefix)


def test_deleting_leaves_others(prefix: pathlib.Path) -> None:
    bundle.write(prefix.with_name('epoch-30'), TENSORS)
    bundle.delete(prefix)
    bundle.delete(prefix)
    assert sorted(file.name for file in prefix.parent.iterdir()) == ['epoch-30.data-00000-of-00001', 'epoch-30.index']


def flips(prefix: pathlib.Path, count: int) -> collections.Counter[str]:
    """What reading says after each of `count` single bits of the bundle's files is flipped, spread over both: noticed or same."""
    outcomes: collections.Counter[str] = collections.Counter()
    random = np.random.default_rng(0)
    expected = bundle.read(prefix)
    files = [bundle.index_file(prefix), *bundle.data_files(prefix)]
    for turn in range(count):
        file = files[turn % len(files)]
        whole = file.read_bytes()
        damaged = bytearray(whole)
        damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        file.write_bytes(damaged)
        try:
            read = bundle.read(prefix)
        except UserError:
            outcomes['noticed'] += 1
        else:
            same = read.keys() == expected.keys() and all(np.array_equal(read[name], expected[name]) for name in expected)
            outcomes['same' if same else 'other weights'] += 1
        file.write_bytes(whole)
    return outcomes


def test_a_flipped_bit_gives_no_other_weights(prefix: pathlib.Path) -> None:
    assert flips(prefix, 40)['other weights'] == 0


@pytest.mark.faults
def test_flipped_bits_give_no_other_weights(prefix: pathlib.Path, figures: Callable[[str], None]) -> None:
    outcomes = flips(prefix, 2000)
    figures(
        f'of 2,000 flipped bits {outcomes["noticed"]:,} noticed, {outcomes["same"]:,} without effect, '
        f'{outcomes["other weights"]} gave other weights'
    )
    assert outcomes['other weights'] == 0


@pytest.mark.parametrize(
    'name',
    ['x.data-00000-of-00001.tempstate123', 'x.data-00000-of-00001 (1)', 'x.data-00000-of-00001.gz', 'x.data-00001-of-00002'],
)
def test_only_files_that_belong_to_a_checkpoint_are_looked_at(tmp_path: pathlib.Path, name: str) -> None:
    bundle.write(tmp_path / 'x', {'a': np.array([1, 2])})
    (tmp_path / name).write_bytes(b'leftover')
    assert bundle.read(tmp_path / 'x')['a'].tolist() == [1, 2]
    bundle.delete(tmp_path / 'x')
    assert [file.name for file in tmp_path.iterdir()] == [name]
