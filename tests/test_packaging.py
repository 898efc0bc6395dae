"""The wheel holds the command, the code, and on its shelf what ships: no more and no less."""

import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
CHECKPOINTS = [
    f'checkpoints/cifarnet/{dataset}/{name}.index'
    for dataset, names in (
        ('fashion_mnist', ('pretrained', 'gate50')),
        ('cifar10', ('pretrained', 'gate70', 'gate50', 'gate30')),
    )
    for name in names
]
TRAINED = [f'checkpoints/cifarnet/cifar10/{name}.index' for name in ('epoch-3', 'gate50-epoch-1', 'gate90')]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel of the sources here, beside the checkpoints that ship, some that a user trained, and a user's data.

    The engine, if `make` compiled it from the sources as they are, is not compiled again.
    """
    folder = tmp_path_factory.mktemp('source')
    for name in ('mayo', 'models', 'trainers', 'setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for engine in ROOT.glob('build/lib*/**/engine*'):
        target = folder / engine.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(engine, target)
    for name in (
        'datasets/mine.yaml',
        'datasets/fashion_mnist/test.tfrecord',
        'datasets/fashion_mnist/train-0.tfrecord',
        *CHECKPOINTS,
        *TRAINED,
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'wheel',
            '--quiet',
            '--disable-pip-version-check',
            '--no-deps',
            '--no-build-isolation',
            '--wheel-dir',
            str(folder / 'out'),
            str(folder),
        ],
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next((folder / 'out').glob('*.whl')))


def test_every_module_and_the_defaults_are_in_the_wheel(wheel):
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / 'mayo').rglob('*.py')}
    assert sources | {'mayo/config/system.yaml'} <= set(wheel.namelist())


@pytest.mark.skipif(shutil.which('cc') is None and shutil.which('gcc') is None, reason='needs a C compiler')
def test_the_compiled_engine_is_in_the_wheel(wheel):
    assert any(re.fullmatch(r'mayo/net/tf/compact/native/engine\..+\.(so|pyd)', name) for name in wheel.namelist())


def test_the_shelf_holds_what_ships_and_nothing_of_the_user(wheel):
    shelf = {name.removeprefix('mayo/shelf/') for name in wheel.namelist() if name.startswith('mayo/shelf/')}
    models = {str(path.relative_to(ROOT)) for path in (ROOT / 'models').rglob('*.yaml')}
    trainers = {str(path.relative_to(ROOT)) for path in (ROOT / 'trainers').glob('*.yaml')}
    assert shelf == models | trainers | {'datasets/mine.yaml', 'datasets/fashion_mnist/test.tfrecord', *CHECKPOINTS}


def test_the_wheel_makes_the_command_my(wheel):
    entry_points = next(name for name in wheel.namelist() if name.endswith('entry_points.txt'))
    assert 'my = mayo.cli.main:main' in wheel.read(entry_points).decode()


def test_the_pinned_requirements_satisfy_what_the_package_asks_for(wheel):
    metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith('METADATA'))).decode()
    asked = {}
    for name, extra in re.findall(r'^Requires-Dist: ([\w-]+)[^;\n]*(?:; extra == .(\w+))?', metadata, re.MULTILINE):
        asked.setdefault(f'requirements-{extra}.txt' if extra else 'requirements.txt', set()).add(name.lower())
    assert asked['requirements.txt'] == {'tensorflow', 'pyyaml', 'numpy', 'tqdm'}
    assert asked['requirements-bench.txt'] == {'onnxruntime', 'onnx', 'openvino', 'matplotlib'}
    for file, names in asked.items():
        assert names <= {line.partition('==')[0].lower() for line in (ROOT / file).read_text().splitlines()}


@pytest.mark.parametrize('file', [path.name for path in sorted(ROOT.glob('requirements*.txt'))])
def test_requirements_pin_versions_and_say_nothing_else(file):
    lines = [line.partition('#')[0].strip() for line in (ROOT / file).read_text().splitlines()]
    assert [line for line in lines if line and not re.fullmatch(r'[\w.-]+==[\w.]+', line)] == []
