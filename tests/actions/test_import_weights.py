"""`import-weights`: what it takes, what it says of what it cannot take, before and while it runs."""

import logging
import pathlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from mayo.actions import Run, actions
from mayo.actions.checks import problems
from mayo.actions.import_weights import import_weights, mapping, source
from mayo.cli.main import main
from mayo.config import Config
from mayo.session.base import Session
from mayo.util.errors import UserError

MAP = 'layers: {"c(\\\\d)(_bn)?": "conv{1}", top: logits, extra: null}\n'


def layers(draw: Any, channels: int = 1, classes: int = 3) -> Any:
    """What Keras would have for the tiny network; its layers and their variables."""
    theirs = {}
    for index, depth in ((0, channels), (1, 6)):
        theirs[f'c{index}'] = {'kernel': draw.normal(size=(3, 3, depth, 6)), 'bias': draw.normal(size=6)}
        theirs[f'c{index}_bn'] = {name: draw.uniform(0.5, 1, 6) for name in ('gamma', 'beta', 'moving_mean', 'moving_variance')}
    top = {'kernel': draw.normal(size=(6, classes)), 'bias': draw.normal(size=classes)}
    return theirs | {'top': top, 'extra': {'mean': np.ones(3)}}


def write(path: Any, theirs: Any) -> Any:
    with h5py.File(path, 'w') as file:
        file.attrs['layer_names'] = [name.encode() for name in theirs]
        for layer, variables in theirs.items():
            group = file.create_group(layer)
            group.attrs['weight_names'] = [f'{name}:0'.encode() for name in variables]
            for name, value in variables.items():
                group[f'{name}:0'] = np.float32(value)
    return path


@pytest.fixture
def importing(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> Callable[..., Session]:
    """importing(layers, *words): a session that is to import them."""
    (tmp_path / 'map.yaml').write_text(MAP)

    def make(theirs: Any, *words: str, **options: Any) -> Session:
        path = write(tmp_path / 'theirs.h5', theirs)
        return Session(
            config_of(
                f'import.path={path}',
                f'import.mapping={tmp_path}/map.yaml',
                'system.checkpoint.save=imported',
                *words,
                **options,
            )
        )

    return make


def test_what_is_imported_is_a_checkpoint_like_any(
    importing: Callable[..., Session], config_of: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'mayo')
    theirs = layers(np.random.default_rng(0))
    prefix = import_weights(importing(theirs | {'other': {'kernel': np.ones(2)}}))
    assert prefix.name == 'imported'
    session = Session(config_of('system.checkpoint.load=imported'))
    session.load()
    np.testing.assert_allclose(session.named()['tiny/conv0/weights'], theirs['c0']['kernel'], rtol=1e-6)
    np.testing.assert_allclose(
        session.named()['tiny/conv1/BatchNorm/moving_mean'], theirs['c1_bn']['moving_mean'] - theirs['c1']['bias'], rtol=1e-5
    )
    assert 'theirs.h5, by ' in caplog.text
    assert '1 unused in the file: other/kernel' in caplog.text
    assert 'extra' not in caplog.text


def test_gates_start_from_the_batch_norm_of_the_file(importing: Callable[..., Session]) -> None:
    theirs = layers(np.random.default_rng(0))
    session = importing(theirs, gated=True)
    import_weights(session)
    np.testing.assert_allclose(session.named()['tiny/conv0/gate/biases'], theirs['c0_bn']['gamma'], rtol=1e-6)
    assert not session.named()['tiny/conv0/gate/weights'].numpy().any()


def test_missing_unused_and_other_shapes_are_listed_and_nothing_is_written(
    importing: Callable[..., Session], tmp_path: pathlib.Path
) -> None:
    theirs = layers(np.random.default_rng(0), classes=5)
    del theirs['c1_bn']
    with pytest.raises(UserError) as error:
        import_weights(importing(theirs))
    told = str(error.value)
    assert 'theirs.h5, by ' in told
    assert '4 missing in the file: tiny/conv1/BatchNorm/gamma, tiny/conv1/BatchNorm/beta' in told
    assert '1 unused in the file: tiny/conv1/biases' in told
    assert '2 of another shape: tiny/logits/weights is [6, 5] in the file, [6, 3] in the network' in told
    assert not list(tmp_path.rglob('*.index'))


def test_without_strict_the_rest_keeps_what_was_loaded_before(
    importing: Callable[..., Session], config_of: Callable[..., Config]
) -> None:
    before = Session(config_of('system.seed=9'))
    before.save('before')
    theirs = layers(np.random.default_rng(0), classes=5)
    session = importing(theirs, 'system.checkpoint.load=before', 'system.checkpoint.strict=false')
    import_weights(session)
    np.testing.assert_array_equal(session.named()['tiny/logits/weights'], before.named()['tiny/logits/weights'])


MESSAGES = [
    ('absent/none.h5', 'does not exist.'),
    ('theirs.h', 'does not exist; did you mean theirs.h5?'),
    ('folder', 'is a folder, expected weights of Keras (.h5, .weights.h5, .keras) or a TensorFlow 1 checkpoint'),
    ('page.h5', 'is of no kind known here, expected weights of Keras'),
    ('pointer.h5', 'a Git-LFS pointer, not the file itself; `git lfs pull` fetches it.'),
    ('half', 'has an index but no data, expected half.data-00000-of-00001 beside it.'),
    ('other.data-00000-of-00001', 'other: no such checkpoint, other.index does not exist.'),
]


@pytest.mark.parametrize('name, message', MESSAGES)
def test_a_file_that_cannot_be_imported_is_said_before_anything_runs(
    config_of: Callable[..., Config], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / 'theirs.h5', {})
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'page.h5').write_text('<html>not found</html>')
    (tmp_path / 'pointer.h5').write_text('version https://git-lfs.github.com/spec/v1\n')
    (tmp_path / 'half.index').touch()
    (tmp_path / 'other.data-00000-of-00001').touch()
    (problem,) = problems(config_of(f'import.path={name}', 'system.checkpoint.save=x'), 'import-weights')
    assert message in problem


def test_the_settings_that_are_needed_are_asked_for(config_of: Callable[..., Config]) -> None:
    assert problems(config_of(), 'import-weights') == [
        '`import-weights` needs import.path, which nothing so far sets; say which file, e.g. import.path=vgg16.h5.',
        '`import-weights` needs system.checkpoint.save, which nothing so far sets; '
        'name what it writes, e.g. system.checkpoint.save=imported.',
    ]


def test_a_model_without_a_mapping_says_which_have_one(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> None:
    config = config_of(f'import.path={write(tmp_path / "theirs.h5", {})}')
    with pytest.raises(
        UserError,
        match=r'models/import/tiny\.yaml does not exist, so nothing says which layers of tiny '
        r'those of .*theirs\.h5 are; there is one for densenet121, .* vgg16\. docs/check',
    ):
        mapping(config)
    with pytest.raises(UserError, match=r'command line: import\.mapping: mine\.yaml does not exist\.'):
        mapping(config_of(f'import.path={tmp_path}/theirs.h5', 'import.mapping=mine.yaml'))


def test_a_bundle_needs_no_mapping(config_of: Callable[..., Config], importing: Callable[..., Session]) -> None:
    prefix = Session(config_of()).save('mine')
    assert mapping(config_of(f'import.path={prefix}')) is None
    assert source(config_of(f'import.path={prefix}.index')) == source(config_of(f'import.path={prefix}')) == prefix


def test_the_command_imports_and_goes_on_with_the_weights(
    importing: Callable[..., Session], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = importing(layers(np.random.default_rng(0)))
    run = Run(session.config)
    actions['import-weights'].run(run)
    actions['eval'].run(run)
    assert 'top-1' in capsys.readouterr().out


def test_a_mistake_ends_with_status_two_and_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    words = 'models/vgg16.yaml datasets/imagenet.yaml import.path=none.h5 system.checkpoint.save=x import-weights'
    assert main(words.split()) == 2
    assert capsys.readouterr().err == 'command line: import.path: none.h5 does not exist.\n'
