"""The folder of checkpoints: names, the latest, which stay, and what is said of one that is not there."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint import bundle
from mayo.checkpoint.store import Store, all_names
from mayo.util.errors import UserError


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return Store(tmp_path / 'checkpoints', 'net', 'pictures')


def put(store: Store, *names: str, keep: int = 3) -> None:
    for name in names:
        bundle.write(store.folder / name, {'imgs_seen': np.array(1)})
        if 'epoch' in name:
            store.record(name, keep)


def test_names_are_sorted_by_their_numbers(store: Store) -> None:
    put(store, 'epoch-10', 'epoch-9', 'gate50', 'epoch-9.5')
    assert store.names() == ['epoch-9', 'epoch-9.5', 'epoch-10', 'gate50']


def test_the_manifest_is_tensorflows(store: Store) -> None:
    put(store, 'epoch-1', 'epoch-2')
    assert tf.train.latest_checkpoint(store.folder) == str(store.folder / 'epoch-2')
    assert store.latest() == 'epoch-2'


def test_a_manifest_of_the_original_with_other_folders_is_read(store: Store) -> None:
    put(store, 'checkpoint-7')
    (store.folder / 'checkpoint').write_text('model_checkpoint_path: "/elsewhere/checkpoint-7"\n')
    assert store.resolve('latest') == store.folder / 'checkpoint-7'


def test_only_the_last_of_a_run_stay_and_others_are_not_touched(store: Store) -> None:
    put(store, 'epoch-1', 'epoch-best', 'gate50-epoch-1', 'epoch-2', 'epoch-3', keep=2)
    assert store.names() == ['epoch-2', 'epoch-3', 'epoch-best', 'gate50-epoch-1']


def test_writing_a_name_again_makes_it_the_latest(store: Store) -> None:
    put(store, 'epoch-1', 'epoch-2', 'epoch-1')
    assert store.latest() == 'epoch-1'
    assert store.names() == ['epoch-1', 'epoch-2']


def test_the_latest_of_a_run(store: Store) -> None:
    put(store, 'epoch-5', 'gate50-epoch-1', 'epoch-6', 'other-epoch-1')
    assert store.newest_of('gate50') == 'gate50-epoch-1'
    assert store.newest_of('') == 'epoch-6'
    assert store.newest_of('none') is None
    assert store.resolve('latest') == store.folder / 'other-epoch-1'
    assert store.resolve('latest', 'gate50') == store.folder / 'gate50-epoch-1'


def test_a_path_is_resolved_from_the_current_folder(
    store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle.write(tmp_path / 'mine' / 'weights', {'imgs_seen': np.array(1)})
    assert store.resolve('mine/weights') == tmp_path / 'mine' / 'weights'
    assert store.resolve('mine/weights.index') == tmp_path / 'mine' / 'weights'
    assert store.resolve(str(tmp_path / 'mine' / 'weights')) == tmp_path / 'mine' / 'weights'


def test_an_unknown_name_says_what_exists_and_the_nearest(store: Store) -> None:
    put(store, 'pretrained', 'gate50')
    with pytest.raises(
        UserError,
        match=r'system\.checkpoint\.load=gate5: no such checkpoint in \S+net/pictures, '
        r'there are gate50, pretrained; did you mean gate50\?',
    ):
        store.resolve('gate5')


def test_weights_of_keras_are_no_checkpoint_and_the_action_for_them_is_named(
    store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'vgg16.h5').write_bytes(b'\x89HDF\r\n\x1a\n')
    with pytest.raises(UserError, match=r'load=vgg16\.h5: weights of another format; import\.path=vgg16\.h5 import-weights'):
        store.resolve('vgg16.h5')


def test_an_empty_folder_says_so(store: Store) -> None:
    with pytest.raises(UserError, match=r'load=latest: no such checkpoint in \S+, it holds none\.'):
        store.resolve('latest')


def test_data_without_an_index_are_said_rather_than_passed_over(store: Store) -> None:
    put(store, 'gate50')
    bundle.index_file(store.folder / 'gate50').unlink()
    with pytest.raises(UserError, match=r'gate50\.index does not exist'):
        store.resolve('gate50')


def test_every_checkpoint_of_a_folder_is_listed_once(store: Store, tmp_path: pathlib.Path) -> None:
    put(store, 'b', 'a')
    assert list(all_names(tmp_path / 'checkpoints')) == [store.folder / 'a', store.folder / 'b']


def test_a_run_is_forgotten_with_its_best_and_others_stay(store: Store) -> None:
    put(store, 'epoch-1', 'gate50-epoch-1', 'gate50-epoch-2', 'gate50-best', 'gate50')
    store.forget('gate50')
    assert store.names() == ['epoch-1', 'gate50']
    assert store.latest() == 'epoch-1'
    store.forget('')
    assert store.names() == ['gate50']
    assert store.latest() is None


def test_a_checkpoint_without_a_name_is_told(store: Store, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / 'model'
    folder.mkdir()
    (folder / '.index').touch()
    for load in (f'{folder}/', f'{folder}/.index'):
        with pytest.raises(UserError, match=r'model/\.index is a checkpoint without a name; rename it'):
            store.resolve(load)


@pytest.mark.parametrize('folder', ['x [1]', 'a*b', '[!a]'])
def test_a_folder_may_be_called_like_a_pattern(tmp_path: pathlib.Path, folder: str) -> None:
    store = Store(tmp_path / folder, 'net [v2]', 'pictures ?')
    put(store, 'epoch-1', 'epoch-[2]')
    assert store.names() == ['epoch-1', 'epoch-[2]']
    assert bundle.read(store.resolve('epoch-[2]'))['imgs_seen'] == 1
