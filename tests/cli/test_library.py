"""`mayo.load`: words make a model, its methods are the actions, and a mistake is told as on the command line."""

import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mayo
from mayo.cli.library import Model
from mayo.config import Config
from mayo.util.errors import UserError

pytestmark = [pytest.mark.filterwarnings('ignore:Even though the .tf.config')]


@pytest.fixture(scope='module')
def tiny(pictures: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words of the tests' tiny gated network on their pictures."""
    from tests.conftest import GATED, TINY

    folder = tmp_path_factory.mktemp('words')
    (folder / 'tiny.yaml').write_text(TINY, encoding='utf-8')
    (folder / 'gated.yaml').write_text(GATED, encoding='utf-8')
    return [
        str(folder / 'tiny.yaml'),
        str(folder / 'gated.yaml'),
        f'dataset.path.train={pictures}/train.tfrecord',
        f'dataset.path.validate={pictures}/validate.tfrecord',
        f'system.checkpoint.path={folder}',
        'dataset.prepare.classes=[dark,grey,bright]',
    ]


@pytest.fixture(scope='module')
def trained(tiny: list[str], eager: None) -> tuple[Model, list[dict[str, float]]]:
    model = mayo.load(*tiny)
    return model, model.train({'train.max_epochs': 6, 'system.checkpoint.save': 'bright'})


def test_importing_mayo_starts_nothing() -> None:
    code = (
        'import os, sys, logging, signal; before = dict(os.environ), signal.getsignal(signal.SIGINT); import mayo; '
        'mayo.load("models/cifarnet.yaml", "datasets/fashion_mnist.yaml").info(); '
        'assert "tensorflow" not in sys.modules and "keras" not in sys.modules; '
        'assert before == (dict(os.environ), signal.getsignal(signal.SIGINT)); '
        'assert not logging.getLogger().handlers and not logging.getLogger("mayo").handlers'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=pathlib.Path(__file__).parents[2])


def test_words_files_and_mappings_make_one_configuration(tiny: list[str]) -> None:
    model = mayo.load(pathlib.Path(tiny[0]), *tiny[1:], {'system.seed': 3, 'system.checkpoint.path': pathlib.Path('a b')})
    assert (model.config.get('system.seed'), model.config.get('system.checkpoint.path')) == (3, 'a b')
    assert model.words[-2:] == ('system.seed=3', 'system.checkpoint.path="a b"')
    assert repr(mayo.load('system.seed=1')) == "mayo.load('system.seed=1')"


@pytest.mark.parametrize(
    'words, message',
    [
        (['models/cifarnet.yaml', 'eval'], '`eval` is an action; call a method of what mayo.load gives, such as .evaluate().'),
        (['models/cifarnett.yaml'], 'models/cifarnett.yaml does not exist; did you mean models/cifarnet.yaml?'),
        ([3], '3 is no word; expected a YAML file, a text such as key.path=value, or {key.path: value}.'),
    ],
)
def test_a_word_that_is_none_is_told(words: list[Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        mayo.load(*words)
    assert str(error.value) == message


def test_a_setting_that_is_not_right_is_told_when_it_is_used(tiny: list[str]) -> None:
    with pytest.raises(UserError, match=r'system\.batch_size is x, expected a whole number from 1 up'):
        mayo.load(*tiny, {'system.batch_size': 'x'}).evaluate()
    with pytest.raises(UserError, match=r'needs dataset\.path\.validate'):
        mayo.load(*tiny, '~dataset.path.validate').evaluate()


def test_words_that_are_not_right_leave_the_model_as_it_was(tiny: list[str]) -> None:
    model = mayo.load(*tiny)
    with pytest.raises(UserError):
        model.train('trainers/nothing.yaml')
    assert list(model.words) == tiny


def test_it_trains_evaluates_and_labels(trained: tuple[Model, list[dict[str, float]]]) -> None:
    model, epochs = trained
    assert [line['epoch'] for line in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1]['loss'] < epochs[0]['loss']
    result = model.evaluate()
    assert (result.images, result.top1 > 0.9) == (50, True)
    pictures = np.stack([np.full((8, 8), level, np.uint8) for level in (50, 125, 200)])
    guessed = model.predict(list(pictures), top=2)
    assert [(guess.image, guess.label) for guess in guessed] == [('0', 'dark'), ('1', 'grey'), ('2', 'bright')]
    assert all(len(guess.guesses) == 2 and guess.probability >= guess.guesses[1].probability for guess in guessed)


def test_info_shows_what_evaluation_measured(trained: tuple[Model, list[dict[str, float]]]) -> None:
    model, _ = trained
    result, info = model.evaluate(), model.info()
    assert info.images == 50
    assert {cost.name: cost.density for cost in info.layers if cost.density} == pytest.approx(dict(result.density))
    page = model._repr_html_()
    assert page == info._repr_html_()
    assert page.count('<tr>') == 2 + len(info.layers)
    assert all(f'>{cost.name}<' in page for cost in info.layers)
    assert str(info).splitlines()[0] in page


def test_every_way_to_give_a_picture_gives_one_label(
    trained: tuple[Model, list[dict[str, float]]], tmp_path: pathlib.Path
) -> None:
    image = pytest.importorskip('PIL.Image')
    model, _ = trained
    grey = np.random.default_rng(0).integers(90, 160, (9, 11), np.uint8)
    image.fromarray(grey).save(tmp_path / 'a.png')
    ways: list[Any] = [
        tmp_path / 'a.png',
        str(tmp_path),
        [str(tmp_path / 'a.png')],
        grey,
        grey[..., None],
        [grey],
        np.repeat(grey[..., None], 3, -1),
        grey[None, ..., None],
        image.open(tmp_path / 'a.png'),
        [image.open(tmp_path / 'a.png').convert('P')],
    ]
    probabilities = [model.predict(way)[0].guesses[0] for way in ways]
    assert [guess.label for guess in probabilities] == [probabilities[0].label] * len(ways)
    assert [guess.probability for guess in probabilities] == pytest.approx([probabilities[0].probability] * len(ways), abs=1e-6)
    assert model.predict([]) == []


@pytest.mark.parametrize(
    'images, error, message',
    [
        (np.zeros((8, 8), np.float32), TypeError, 'image 0 has pixels of float32, expected uint8'),
        (np.zeros((8, 8, 4), np.uint8), ValueError, 'image 0 is 8 x 8 x 4, expected height x width'),
        (np.zeros(8, np.uint8), ValueError, 'an array of 1 dimensions is no picture'),
        (['a.png', np.zeros((8, 8), np.uint8)], TypeError, 'some of the images are paths'),
        ('nowhere.png', UserError, 'nowhere.png does not exist'),
    ],
)
def test_what_is_no_picture_is_refused(
    trained: tuple[Model, list[dict[str, float]]], images: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        trained[0].predict(images)
    with pytest.raises(ValueError, match='top is 0'):
        trained[0].predict(np.zeros((8, 8), np.uint8), top=0)


def test_what_was_trained_is_saved_and_loaded(
    trained: tuple[Model, list[dict[str, float]]], tiny: list[str], config_of: Callable[..., Config]
) -> None:
    model, _ = trained
    assert model.save('copy').name == 'copy'
    again = mayo.load(*tiny, 'system.checkpoint.load=copy')
    assert again.evaluate().top1 == model.evaluate().top1


def test_export_writes_what_it_says(trained: tuple[Model, list[dict[str, float]]], tmp_path: pathlib.Path) -> None:
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    written = trained[0].export({'export.formats': ['onnx'], 'export.path': tmp_path / 'out'})
    assert [artifact.format for artifact in written.artifacts] == ['onnx']
    assert (written.folder / 'model.onnx').is_file() or list(written.folder.glob('*.onnx'))
