"""The wheel holds the command, the code, and on its shelf what ships: no more and no less."""

import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import mayo

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMPILER = (os.environ.get('CC') or sysconfig.get_config_var('CC') or 'cc').split()[0]
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Any:
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


def test_every_module_and_the_defaults_are_in_the_wheel(wheel: Any) -> None:
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / 'mayo').rglob('*.py')}
    assert sources <= set(wheel.namelist())


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason='needs a C compiler')
def test_the_compiled_engine_is_in_the_wheel(wheel: Any) -> None:
    assert any(re.fullmatch(r'mayo/net/tf/compact/native/engine\..+\.(so|pyd)', name) for name in wheel.namelist())


def test_the_shelf_holds_what_ships_and_nothing_of_the_user(wheel: Any) -> None:
    shelf = {name.removeprefix('mayo/shelf/') for name in wheel.namelist() if name.startswith('mayo/shelf/')}
    models = {str(path.relative_to(ROOT)) for path in (ROOT / 'models').rglob('*.yaml')}
    trainers = {str(path.relative_to(ROOT)) for path in (ROOT / 'trainers').glob('*.yaml')}
    assert shelf == models | trainers | {'datasets/mine.yaml', 'datasets/fashion_mnist/test.tfrecord', *CHECKPOINTS}


@pytest.mark.parametrize('dataset', sorted({name.split('/')[2] for name in CHECKPOINTS}))
def test_class_names_ship_with_the_weights_that_tell_the_classes_apart(dataset: str) -> None:
    labels = f'datasets/{dataset}/labels.txt'
    assert labels in (ROOT / 'setup.py').read_text()
    config = yaml.safe_load((ROOT / f'datasets/{dataset}.yaml').read_text())['dataset']
    assert len(pathlib.Path(ROOT, config['labels']).read_text().splitlines()) == config['task']['num_classes']


def test_the_wheel_makes_the_command_my(wheel: Any) -> None:
    entry_points = next(name for name in wheel.namelist() if name.endswith('entry_points.txt'))
    assert 'my = mayo.cli.main:main' in wheel.read(entry_points).decode()


def test_the_wheel_says_that_mayo_is_typed_and_what_it_asks_for(wheel: zipfile.ZipFile) -> None:
    assert 'mayo/py.typed' in wheel.namelist()
    metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith('METADATA'))).decode()
    assert f'\nVersion: {mayo.__version__}\n' in metadata
    asked = {Requirement(line).name for line in re.findall(r'^Requires-Dist: ([^;\n]*)$', metadata, re.MULTILINE)}
    assert asked == {'tensorflow', 'pyyaml', 'numpy', 'tqdm'}


def pins(file: str) -> dict[str, str]:
    """The version of each package in a file that `make lock` wrote."""
    lines = [line.partition('#')[0].strip() for line in (ROOT / file).read_text().splitlines()]
    return dict(line.split('==') for line in lines if line)


@pytest.mark.parametrize('file', ['requirements.txt', 'requirements-dev.txt'])
def test_requirements_pin_versions_and_name_no_place_to_get_them_from(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(r'://|^-|\s/', text, re.MULTILINE)
    assert all(re.fullmatch(r'[\d.]+', version) for version in pins(file).values())


def test_what_runs_mayo_is_pinned_alike_where_it_is_developed() -> None:
    assert pins('requirements.txt').items() <= pins('requirements-dev.txt').items()


def test_the_pins_satisfy_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    everything = [*project['dependencies'], *itertools.chain.from_iterable(project['optional-dependencies'].values())]
    for file, asked in (('requirements.txt', project['dependencies']), ('requirements-dev.txt', everything)):
        pinned = pins(file)
        unmet = [line for line in asked if pinned.get(Requirement(line).name.lower(), '0') not in Requirement(line).specifier]
        assert not unmet, f'`make lock` writes {file} anew'
