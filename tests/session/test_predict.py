"""Labels for image files, through the preprocessing of validation, which an independent computation with PIL confirms."""

import collections
import csv
import io
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
import yaml

from mayo.actions import Run, actions
from mayo.config import Config
from mayo.session.base import Session
from mayo.session.predict import Guess, Predictions, image_of, predict, render
from mayo.util.errors import RunError, UserError

MODELS = pathlib.Path(__file__).parents[2] / 'models'
PHOTOGRAPHIC = sorted(path for path in MODELS.glob('*.yaml') if 'datasets/imagenet.yaml' in path.read_text())


def photograph(mode: Any, size: Any, seed: Any = 0) -> Any:
    """Smooth colours with some noise, so that neither JPEG nor another decoder changes much."""
    random = np.random.default_rng(seed)
    small = random.integers(40, 215, (4, 5, 4), np.uint8)
    bands = [
        PIL.Image.fromarray(np.ascontiguousarray(small[..., n])).resize(size, PIL.Image.Resampling.BICUBIC) for n in range(4)
    ]
    return bands[0] if mode == 'L' else PIL.Image.merge(mode, bands[: len(mode)])


FILES = {
    'wide.JPEG': ('RGB', (500, 333), 'JPEG'),
    'small.JPEG': ('RGB', (90, 140), 'JPEG'),
    'grey.JPEG': ('L', (320, 240), 'JPEG'),
    'print.JPEG': ('CMYK', (300, 301), 'JPEG'),
    'disguised.JPEG': ('RGB', (260, 400), 'PNG'),
}


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    for seed, (name, (mode, size, format)) in enumerate(FILES.items()):
        photograph(mode, size, seed).save(name, format, **({'quality': 95, 'subsampling': 0} if format == 'JPEG' else {}))
    return tmp_path


def decoded(name: str) -> Any:
    """Pixels as PIL decodes them; CMYK of the kind that Adobe's programs invert, which PIL undoes, as R = C K / 255."""
    image = PIL.Image.open(name)
    if image.mode != 'CMYK':
        return np.asarray(image.convert('RGB'), np.float64)
    ink = 255 - np.asarray(image, np.float64)
    return ink[..., :3] * ink[..., 3:] / 255


def bilinear(pixels: Any, height: Any, width: Any) -> Any:
    """[H, W, 3] at the centres of height x width equal cells, each from its four neighbours."""

    def axis(size: Any, target: Any) -> tuple[Any, Any, Any]:
        centres = np.clip((np.arange(target) + 0.5) * size / target - 0.5, 0, size - 1)
        low = np.floor(centres).astype(int)
        return low, np.minimum(low + 1, size - 1), centres - low

    top, bottom, down = axis(pixels.shape[0], height)
    left, right, across = axis(pixels.shape[1], width)
    rows = pixels[top] * (1 - down)[:, None, None] + pixels[bottom] * down[:, None, None]
    return rows[:, left] * (1 - across)[None, :, None] + rows[:, right] * across[None, :, None]


def expected(name: str, side: Any, steps: Any) -> Any:
    """resize by the shorter side, the middle of it, then the model's own arithmetic, all in NumPy."""
    pixels = decoded(name)
    shorter = next(step['shorter_side'] for step in steps if step['type'] == 'resize')
    height, width = (round(shorter * size / min(pixels.shape[:2])) for size in pixels.shape[:2])
    pixels = bilinear(pixels, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels = pixels[top : top + side, left : left + side]
    for step in steps:
        if step['type'] == 'linear_map':
            pixels = pixels * step['scale'] + step['shift']
        elif step['type'] == 'permute_channels':
            pixels = pixels[..., step['order']]
        elif step['type'] in ('subtract_channel_means', 'normalize_channels'):
            pixels = (pixels - step['means']) / step.get('stds', 1.0)
        else:
            assert step['type'] in ('resize', 'crop_or_pad')
    return pixels


def steps_of(path: Any) -> tuple[Any, Any]:
    config = Config.default()
    config.merge_file(path)
    steps = config.get('dataset.task.preprocess')
    return steps['shape']['height'], steps['validate'] + steps['final']


# Each way to preprocess once: by its text, the names of the models that share it.
WAYS = collections.defaultdict(list)
for model in PHOTOGRAPHIC:
    WAYS[json.dumps(steps_of(model))].append(model.stem)


def test_every_photographic_model_is_looked_at() -> None:
    assert sum(map(len, WAYS.values())) >= 16
    assert {json.loads(way)[0] for way in WAYS} >= {224, 299}


@pytest.mark.parametrize('way', WAYS, ids=[' '.join(names) for names in WAYS.values()])
def test_each_model_reads_photographs_of_every_kind_as_pil_and_numpy_compute_them(here: pathlib.Path, way: Any) -> None:
    side, steps = json.loads(way)
    scale = np.ptp(expected('wide.JPEG', side, steps))
    for name in FILES:
        read, wanted = image_of(name, (side, side, 3), steps).numpy(), expected(name, side, steps)
        assert read.shape == wanted.shape
        assert np.abs(read - wanted).max() < 0.05 * scale, name  # decoders round differently: the mean is
        assert np.abs(read - wanted).mean() < 0.01 * scale, name  # 1 of some 180 levels


def test_a_model_for_small_pictures_gets_large_ones_scaled_down_and_others_as_they_are(here: pathlib.Path) -> None:
    steps = [{'type': 'crop_or_pad'}]
    wanted = np.asarray(PIL.Image.open('disguised.JPEG').resize((32, 49), PIL.Image.Resampling.BILINEAR), float)[8:40]
    np.testing.assert_allclose(image_of('disguised.JPEG', (32, 32, 3), steps), wanted, atol=1)
    PIL.Image.open('wide.JPEG').crop((0, 0, 20, 28)).save('tiny.png')
    wanted = np.pad(np.asarray(PIL.Image.open('tiny.png')), ((2, 2), (6, 6), (0, 0)))
    np.testing.assert_array_equal(image_of('tiny.png', (32, 32, 3), steps), wanted)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'x.png is not a readable image: it is empty.'),
        (b'no image', 'x.png is not a readable image: it is an unknown file, expected JPEG, PNG, BMP, GIF or WebP.'),
        (None, 'x.png cannot be read: No such file or directory.'),
    ],
)
def test_a_file_that_is_no_image_is_told(here: pathlib.Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (here / 'x.png').write_bytes(content)
    with pytest.raises(UserError) as error:
        image_of('x.png', (32, 32, 3), [])
    assert str(error.value).startswith(message)


def test_an_image_that_the_steps_do_not_make_fit_is_told(here: pathlib.Path) -> None:
    with pytest.raises(
        UserError,
        match=r'^small.JPEG: the preprocessing of validation makes 50x70x3 of it, but the network '
        r'reads 224x224x3\.$',
    ):
        image_of('small.JPEG', (224, 224, 3), [{'type': 'resize', 'height': 50, 'width': 70}])


@pytest.fixture(scope='module')
def pictures_of_all(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp('predict')
    for level in (30, 125, 220, 10):
        PIL.Image.fromarray(np.full((8, 8), level, np.uint8)).save(folder / f'{level}.png')
    (folder / 'broken.png').write_bytes((folder / '30.png').read_bytes()[:40])
    return folder


def probabilities(session: Any, levels: list[int]) -> Any:
    """Softmax of the masked network's outputs, computed without `predict`."""
    images = np.stack([np.full((8, 8, 1), level * 0.0078431373 - 1, np.float32) for level in levels])
    outputs = np.asarray(session.network(images, training=False)[0], np.float64)
    return np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)


@pytest.mark.parametrize('execution', ['compact', 'masked'])
def test_labels_and_probabilities_are_those_of_the_network_whatever_the_batch(
    config_of: Callable[..., Config], pictures_of_all: pathlib.Path, execution: str
) -> None:
    session = Session(
        config_of(
            f'predict.files={pictures_of_all}',
            'predict.top=9',
            'eval.batch_size=3',
            f'system.execution={execution}',
            'dataset.prepare.classes=[dark, grey, light]',
            gated=True,
        )
    )
    read = predict(session)
    assert [pathlib.Path(file).name for file in read.guesses] == ['10.png', '125.png', '220.png', '30.png']
    assert [line.split(' is not')[0] for line in read.unreadable] == [f'{pictures_of_all}/broken.png']
    for guesses, wanted in zip(read.guesses.values(), probabilities(session, [10, 125, 220, 30]), strict=True):
        assert [guess.number for guess in guesses] == np.argsort(-wanted).tolist()
        np.testing.assert_allclose([guess.probability for guess in guesses], np.sort(wanted)[::-1], atol=1e-4)
        assert [guess.label for guess in guesses] == [('dark', 'grey', 'light')[guess.number] for guess in guesses]


def test_the_action_prints_what_it_can_read_and_fails_for_the_rest(
    config_of: Callable[..., Config],
    pictures_of_all: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = config_of(f"predict.files=[{pictures_of_all}/30.png, '{pictures_of_all}/b*.png']", 'predict.format=csv')
    with pytest.raises(RunError, match=r'broken.png is not a readable image: '):
        actions['predict'].run(Run(config))
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row['file'], row['rank'], row['label']) == (f'{pictures_of_all}/30.png', '1', row['number'])


PREDICTED = Predictions(
    {'a.jpg': [Guess('great grey owl', 24, 0.75), Guess('cat, tabby', 281, 0.125)], 'b é.png': []}, ['c is bad']
)


def test_a_table_names_each_file_once() -> None:
    assert render(PREDICTED, 'table').splitlines() == [
        'file   label           probability',
        '----------------------------------',
        'a.jpg  great grey owl      75.00 %',
        '       cat, tabby          12.50 %',
    ]
    assert render(Predictions({}, ['c is bad']), 'table') == ''


def test_yaml_says_the_class_of_each_file_or_all_that_were_guessed() -> None:
    assert yaml.safe_load(render(PREDICTED, 'yaml')) == {'a.jpg': ['great grey owl', 'cat, tabby'], 'b é.png': []}
    predictions = Predictions({'a.jpg': [Guess('cat', 1, 0.5)]}, [])
    assert render(predictions, 'yaml') == 'a.jpg: cat\n'


def test_names_that_are_no_utf8_are_valid_json_and_control_characters_stay_out_of_tables() -> None:
    name = os.fsdecode(b'caf\xe9\n\x1b[2J.png')
    predictions = Predictions({name: [Guess('cat', 0, 1.0)]}, [])
    (entry,) = json.loads(render(predictions, 'json').encode())
    assert os.fsencode(entry['file']) == os.fsencode(name)
    assert len(render(predictions, 'table').splitlines()) == 3
    assert os.fsdecode(b'caf\xe9') + r'\n\x1b[2J.png' in render(predictions, 'table')
    assert next(csv.DictReader(io.StringIO(render(predictions, 'csv'))))['file'] == name


def test_json_and_csv_hold_every_number() -> None:
    assert json.loads(render(PREDICTED, 'json')) == [
        {
            'file': 'a.jpg',
            'predictions': [
                {'label': 'great grey owl', 'number': 24, 'probability': 0.75},
                {'label': 'cat, tabby', 'number': 281, 'probability': 0.125},
            ],
        },
        {'file': 'b é.png', 'predictions': []},
    ]
    assert list(csv.reader(io.StringIO(render(PREDICTED, 'csv')))) == [
        ['file', 'rank', 'label', 'number', 'probability'],
        ['a.jpg', '1', 'great grey owl', '24', '0.750000'],
        ['a.jpg', '2', 'cat, tabby', '281', '0.125000'],
    ]
