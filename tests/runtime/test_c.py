"""The functions in C: the example labels what Python labels."""

import os
import pathlib
import shutil
import subprocess
import sysconfig

import numpy as np
import pytest

import mayo_runtime
from mayo_runtime import program as ops
from mayo_runtime.file import write
from mayo_runtime.native import library
from mayo_runtime.program import Program, Value

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPILER = (os.environ.get('CC') or sysconfig.get_config_var('CC') or 'cc').split()[0]
pytestmark = pytest.mark.skipif(library() is None or shutil.which(COMPILER) is None, reason='needs a C compiler')


@pytest.fixture(scope='module')
def label(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The example, with the engine that is built here as its library."""
    target = tmp_path_factory.mktemp('example') / 'label'
    source, engine = ROOT / 'mayo_runtime/example/label.c', library()
    assert engine is not None
    flags = ['-Wall', '-Wextra', '-Werror', f'-I{ROOT / "mayo_runtime/native"}', f'-Wl,-rpath,{engine.parent}']
    subprocess.run([COMPILER, *flags, str(source), str(engine), '-lm', '-o', str(target)], check=True, capture_output=True)
    return target


def brightness() -> Program:
    """Of 4 x 4 pixels of one channel: dark, or bright."""
    dense = ops.Dense(
        output='y',
        source='r',
        weights=np.array([[-1, 1]] * 16, np.float32) / 64,
        bias=np.array([30, -30], np.float32),
        function=None,
    )
    values = {'x': Value((4, 4, 1), 1), 'r': Value((16,), 16), 'y': Value((2,), 2)}
    return Program((ops.Reshape(output='r', source='x'), dense), values, ('x',), ('y',))


@pytest.mark.parametrize('level, expected', [(20, 'dark'), (220, 'bright')])
def test_the_example_labels_a_raw_image_as_python_does(
    label: pathlib.Path, tmp_path: pathlib.Path, level: int, expected: str
) -> None:
    write(tmp_path / 'net.mayo', brightness(), name='brightness', labels=['dark', 'bright'])
    image = np.full((4, 4, 1), level, np.uint8)
    (tmp_path / 'image.raw').write_bytes(image.tobytes())
    words = [str(label), str(tmp_path / 'net.mayo'), str(tmp_path / 'image.raw'), '4', '4']
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    (prediction,) = mayo_runtime.load(tmp_path / 'net.mayo').predict([image])
    assert done.stdout.split() == [expected, f'{prediction.probability:.4f}']
    assert prediction.label == expected


def test_the_example_says_what_is_wrong(label: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / 'net.mayo').write_bytes(b'no network')
    done = subprocess.run([str(label), str(tmp_path / 'net.mayo'), 'x', '4', '4'], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f'{tmp_path}/net.mayo cannot be loaded: it is no .mayo file.\n')
