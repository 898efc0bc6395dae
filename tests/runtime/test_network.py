"""Networks of .mayo files: they compute what the engine computes, say what they are, and are refused where they are broken."""

import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import threading
import zlib
from typing import Any

import numpy as np
import pytest

import mayo_runtime
from mayo_runtime import program as ops
from mayo_runtime.file import SUM_AT, write
from mayo_runtime.narrow import narrow_of
from mayo_runtime.native import Engine, library
from mayo_runtime.program import Function, Program, Value

pytestmark = pytest.mark.skipif(library() is None, reason='the native engine was not built: there is no C compiler')
ROOT = pathlib.Path(__file__).resolve().parents[2]
LABELS = ['ant', 'bee', 'cat', 'dog', 'eel']
STEPS: list[dict[str, Any]] = [
    {'type': 'linear_map', 'scale': 0.1, 'shift': -1.0},
    {'type': 'permute_channels', 'order': [2, 1, 0]},
]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)


def program(precision: str = 'float32') -> Program:
    """A gated convolution, a depthwise one, a plain one, a pooling and a classifier."""
    gate = ops.Gate(4, 'avg', (ops.Affine(normal(3, 8), normal(8)),), shift=normal(8))
    narrow = None if precision == 'float32' else narrow_of(precision, (-3.0, 3.0))
    same = ((1, 1), (1, 1))
    relu = Function('relu')
    operations = (
        ops.Conv(
            output='a',
            source='x',
            weights=normal(8, 3, 3, 3),
            bias=normal(8),
            pads=same,
            function=relu,
            gate=gate,
            narrow=narrow,
        ),
        ops.Depthwise(
            output='d', source='a', weights=normal(8, 1, 3, 3), bias=np.zeros(8, np.float32), pads=same, function=relu
        ),
        ops.Conv(output='b', source='d', weights=normal(6, 8, 3, 3), bias=normal(6), function=relu, narrow=narrow),
        ops.Conv(output='c', source='b', weights=normal(6, 6, 1, 1), bias=normal(6), function=relu, narrow=narrow),
        ops.Pool(output='p', source='c', kind='avg', kernel=(6, 6)),
        ops.Reshape(output='r', source='p'),
        ops.Dense(output='y', source='r', weights=normal(6, 5), bias=normal(5), narrow=narrow),
    )
    values = {
        'x': Value((8, 8, 3), 3),
        'a': Value((8, 8, 4), 8, 'a/index'),
        'd': Value((8, 8, 4), 8, 'a/index'),
        'b': Value((6, 6, 6), 6),
        'c': Value((6, 6, 6), 6),
        'p': Value((1, 1, 6), 6),
        'r': Value((6,), 6),
        'y': Value((5,), 5),
    }
    return Program(operations, values, ('x',), ('y',))


@pytest.fixture(scope='module')
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    target = tmp_path_factory.mktemp('networks') / 'net.mayo'
    write(target, program(), name='net', labels=LABELS, steps=STEPS, origin={'checkpoint': 'none'})
    return target


@pytest.mark.parametrize('precision', ['float32', 'int8'])
@pytest.mark.parametrize('threads', [1, 3])
def test_a_file_computes_what_its_program_does(tmp_path: pathlib.Path, precision: str, threads: int) -> None:
    write(tmp_path / 'net.mayo', program(precision), name='net')
    network = mayo_runtime.load(tmp_path / 'net.mayo', threads=threads)
    images = normal(5, 8, 8, 3)
    outputs, masks = Engine(program(precision), threads).run(images)
    np.testing.assert_array_equal(network(images), outputs)
    np.testing.assert_array_equal(network.last.active['a'], masks.sum(1))
    assert network.last.macs > 0


def test_a_network_says_what_it_is(path: pathlib.Path) -> None:
    network = mayo_runtime.load(path)
    assert (network.name, network.shape, network.labels, network.layers) == ('net', (8, 8, 3), tuple(LABELS), {'a': 8})
    assert network.about['origin'] == {'checkpoint': 'none'}
    assert network.about['precision'] == ['float32']


def test_images_of_bytes_are_preprocessed_and_labelled(path: pathlib.Path) -> None:
    network = mayo_runtime.load(path)
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    outputs = network((image[..., ::-1] * np.float32(0.1) - 1)[None])[0]
    np.testing.assert_allclose(network(image[None])[0], outputs, rtol=1e-5, atol=1e-5)
    (prediction,) = network.predict([image])
    assert prediction.label == LABELS[outputs.argmax()]
    np.testing.assert_allclose(
        prediction.probabilities, np.exp(outputs - outputs.max()) / np.exp(outputs - outputs.max()).sum(), rtol=1e-4, atol=1e-12
    )


def test_images_of_files_are_read_with_pillow(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    from PIL import Image

    image = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / 'image.png')
    network = mayo_runtime.load(path)
    assert network.predict([tmp_path / 'image.png'])[0].label == network.predict([image])[0].label
    (tmp_path / 'text.png').write_text('no image')
    with pytest.raises(mayo_runtime.NetworkError, match=r'text\.png: cannot identify image file'):
        network.predict([tmp_path / 'text.png'])


@pytest.mark.parametrize(
    'images, message',
    [
        (np.zeros((8, 8, 3), np.float32), r'an array \[N, H, W, C\], not of shape \(8, 8, 3\)'),
        (np.zeros((1, 9, 8, 3), np.float32), r'images are \(1, 9, 8, 3\), expected \[N, 8, 8, 3\]'),
        (np.zeros((1, 8, 8, 1), np.uint8), r'images are \(1, 8, 8, 1\), expected \[N, 8, 8, 3\]'),
        (np.zeros((1, 4, 8, 3), np.uint8), r'images of 4 x 8 x 3 become 4 x 8 x 3, and the network reads 8 x 8 x 3'),
        (np.zeros((1, 8, 8, 3), np.int32), 'uint8, as decoded, or floats, as the network reads them, not int32'),
    ],
)
def test_images_that_do_not_fit_are_refused(path: pathlib.Path, images: Any, message: str) -> None:
    with pytest.raises(mayo_runtime.NetworkError, match=message):
        mayo_runtime.load(path)(images)


def test_threads_share_a_network(path: pathlib.Path) -> None:
    network, images = mayo_runtime.load(path, threads=2), normal(4, 8, 8, 3)
    expected, wrong = network(images), []

    def run() -> None:
        for _ in range(20):
            if not np.array_equal(network(images), expected) or network.last.active['a'].shape != (4,):
                wrong.append(1)

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_network_that_was_loaded_before_a_fork_runs_after_it(path: pathlib.Path) -> None:
    code = f"""
import os, signal, numpy as np, mayo_runtime
network = mayo_runtime.load({str(path)!r}, threads=2)
images = np.ones((3, 8, 8, 3), np.float32)
before = network(images)
child = os.fork()
if not child:
    signal.alarm(60)
    os._exit(not np.array_equal(network(images), before))
print(os.waitpid(child, 0)[1], np.array_equal(network(images), before))
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['0', 'True']


def test_running_a_network_imports_numpy_and_no_tensorflow(path: pathlib.Path) -> None:
    code = f"""
import sys, numpy as np, mayo_runtime
mayo_runtime.load({str(path)!r})(np.zeros((1, 8, 8, 3), np.float32))
print(*({{name.split('.')[0] for name in sys.modules}} & {{'tensorflow', 'keras', 'mayo', 'yaml'}}))
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_instructions_that_a_processor_lacks_are_an_error(path: pathlib.Path) -> None:
    assert mayo_runtime.load(path, instructions='plain').instructions == 'plain'
    with pytest.raises(mayo_runtime.NetworkError, match=r'has no instructions `mmx`; the best that it has is `\w+`'):
        mayo_runtime.load(path, instructions='mmx')


# --- the file ---


def start_of(content: bytes | bytearray) -> int:
    """Where the program starts."""
    return 8 + int(struct.unpack_from('<Q', content)[0])


def summed(content: bytes) -> bytes:
    """With the checksum of its bytes as they are: what is wrong then has to be seen by looking."""
    changed, place = bytearray(content), start_of(content) + SUM_AT
    if place + 4 <= len(changed):
        changed[place : place + 4] = bytes(4)
        struct.pack_into('<I', changed, place, zlib.crc32(changed))
    return bytes(changed)


def test_a_file_is_one_of_safetensors(path: pathlib.Path) -> None:
    content = path.read_bytes()
    tensors = json.loads(content[8 : start_of(content)])
    assert tensors.pop('__metadata__') == {'format': 'mayo', 'version': '1'}
    place = 0
    for tensor in tensors.values():  # as its specification asks: in order, without gaps
        assert tensor['data_offsets'][0] == place
        place = tensor['data_offsets'][1]
    assert start_of(content) + place == len(content)
    begin, end = tensors['b/weights']['data_offsets']
    assert (start_of(content) + begin) % 64 == 0
    weights = np.frombuffer(content[start_of(content) + begin : start_of(content) + end], np.float32)
    np.testing.assert_array_equal(weights.reshape(tensors['b/weights']['shape']), normal(6, 8, 3, 3))


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda content: b'', 'it is empty'),
        (lambda content: b'PK' + content, 'it is no .mayo file'),
        (lambda content: content[:-1], 'it was cut or added to: it has [0-9]+ bytes'),
        (lambda content: content[:200], 'was cut'),
        (lambda content: content + b'0', 'it was cut or added to'),
        (lambda content: content[:-1] + b'1', 'it is damaged: the checksum'),
    ],
)
def test_a_file_that_is_none_says_so(path: pathlib.Path, tmp_path: pathlib.Path, change: Any, message: str) -> None:
    (tmp_path / 'broken.mayo').write_bytes(change(path.read_bytes()))
    with pytest.raises(mayo_runtime.NetworkError, match=rf'broken\.mayo cannot be loaded: .*{message}'):
        mayo_runtime.load(tmp_path / 'broken.mayo')


def test_a_file_of_a_newer_version_says_so(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into('<I', content, start_of(content) + 8, 7)
    (tmp_path / 'new.mayo').write_bytes(content)
    with pytest.raises(mayo_runtime.NetworkError, match='its format is version 7, and this library reads version 1'):
        mayo_runtime.load(tmp_path / 'new.mayo')


@pytest.mark.parametrize(
    'before, after, message',
    [
        (b'"outputs": {"y": [5]}', b'"outputs": {"y": [4]}', r'its outputs are not of the shapes \[\(4,\)\] that it says'),
        (b'"outputs": {"y": [5]}', b'"outputs": {"y":  5 }', 'what it says of itself cannot be read'),
        (
            b'"probabilities"',
            b'\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
            'what it says of itself cannot be read',
        ),
    ],
)
def test_what_a_file_says_of_itself_has_to_be_so(
    path: pathlib.Path, tmp_path: pathlib.Path, before: bytes, after: bytes, message: str
) -> None:
    content = path.read_bytes()
    assert before in content
    assert len(before) == len(after)
    (tmp_path / 'other.mayo').write_bytes(summed(content.replace(before, after)))
    with pytest.raises(mayo_runtime.NetworkError, match=rf'other\.mayo cannot be loaded: {message}'):
        mayo_runtime.load(tmp_path / 'other.mayo')


def test_what_is_no_file_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(mayo_runtime.NetworkError, match='cannot be loaded: it is no file'):
        mayo_runtime.load(tmp_path)
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(mayo_runtime.NetworkError, match='cannot be loaded: it is no file'):
        mayo_runtime.load(tmp_path / 'pipe')
    with pytest.raises(mayo_runtime.NetworkError, match='No such file'):
        mayo_runtime.load(tmp_path / 'none.mayo')


NUMBERS = (0, 1, -1, 2, 3, 7, 63, 64, 127, 255, 256, 4096, 1 << 20, 1 << 30, -(1 << 31), (1 << 31) - 1)


def mutated(content: bytes, seed: int) -> bytes:
    """Bytes or numbers of the program, or of all of the file, other than they were; the checksum fits again."""
    choose, changed = random.Random(seed), bytearray(content)
    first = start_of(content)
    end = first + json.loads(content[8:first])['program']['data_offsets'][1]
    for _ in range(choose.choice((1, 1, 1, 2, 5))):
        kind = choose.randrange(4)
        if kind == 0:
            changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
        elif kind == 1:
            changed[choose.randrange(first, end)] = choose.randrange(256)
        elif kind == 2:
            struct.pack_into('<i', changed, choose.randrange(first, end - 4) // 4 * 4, choose.choice(NUMBERS))
        else:
            place = choose.randrange(first, end - 8) // 4 * 4
            struct.pack_into('<i', changed, place, max(-(1 << 31), struct.unpack_from('<i', changed, place)[0] - 1))
    return summed(bytes(changed))


def survive(folder: pathlib.Path, seeds: range) -> int:
    """How many mutations were refused; those that are not are run. In a process of its own, which has to end well."""
    code = f"""
import pathlib, sys, numpy as np
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests/runtime')!r}]
import mayo_runtime, test_network
refused = 0
for precision in ('float32', 'int8'):
    content = (pathlib.Path({str(folder)!r}) / f'{{precision}}.mayo').read_bytes()
    target = pathlib.Path({str(folder)!r}) / 'mutated.mayo'
    for seed in range({seeds.start}, {seeds.stop}):
        target.unlink(missing_ok=True)
        target.write_bytes(test_network.mutated(content, seed))
        try:
            network = mayo_runtime.load(target, threads=2)
            network(np.ones((2, *network.shape), np.float32))
            network(np.ones((1, 9, 10, network._image_channels or 3), np.uint8))
        except mayo_runtime.NetworkError as error:
            assert 'mutated.mayo' in str(error) or 'become' in str(error) or 'no memory' in str(error), error
            refused += 1
print(refused)
"""
    for precision in ('float32', 'int8'):
        write(folder / f'{precision}.mayo', program(precision), name='net', labels=LABELS, steps=STEPS)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


def test_mutated_files_are_refused_or_run_within_their_memory(tmp_path: pathlib.Path) -> None:
    assert survive(tmp_path, range(60)) > 30


@pytest.mark.faults
def test_two_thousand_mutated_files_are_refused_or_run_within_their_memory(tmp_path: pathlib.Path) -> None:
    assert survive(tmp_path, range(1000)) > 500
