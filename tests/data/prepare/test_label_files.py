"""Files that say the classes of images: lines, CSV with quotes and other delimiters, encodings."""

import pathlib

import pytest

from mayo.data.prepare.archive import Member
from mayo.data.prepare.labels import Text, classes_of
from mayo.util.errors import UserError

IMAGES = [Member(f'val/{number}.png', 1, 'x') for number in range(2)]
WANTED = {'0': 'sea lion', '1': 'sea horse'}


def classes(tmp_path: pathlib.Path, content: str | bytes) -> dict[str, str]:
    path = tmp_path / 'labels.csv'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    class_of = classes_of(IMAGES, Text(path))
    return {image.stem: class_of(image) for image in IMAGES}


@pytest.mark.parametrize(
    'content',
    [
        'image,class\n0.png,sea lion\n1.png,sea horse\n',
        '"0.png", "sea lion"\r\n"1.png", "sea horse"\r\n',
        '0.png;sea lion\n1.png;sea horse',
        '0\tsea lion\n\n1\tsea horse\n',
        '0.png sea lion\n1.png sea horse\n',
        'val/0.png,sea lion,7\n./val/1.png,sea horse,8\n',
        'sea lion\nsea horse\n',
        b'\xef\xbb\xbf0.png,sea lion\n1.png,sea horse\n',
        '0.png,sea lion\n1.png,sea horse\n'.encode('utf-16'),
    ],
)
def test_names_of_classes_are_whole_in_every_form_of_file(tmp_path: pathlib.Path, content: str | bytes) -> None:
    assert classes(tmp_path, content) == WANTED


def test_a_comma_in_quotes_divides_nothing_and_boxes_are_no_names(tmp_path: pathlib.Path) -> None:
    assert classes(tmp_path, '0.png,"lion, sea"\n1.png,n03995372 85 1 499 272\n') == {'0': 'lion, sea', '1': 'n03995372'}
    assert classes(tmp_path, '0.png\tn1\t0\t32\t44\t62\n1.png\tboeing 747\t0\t1\t2\t3\n') == {'0': 'n1', '1': 'boeing 747'}


def test_another_encoding_is_named_with_its_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'labels\.csv:2 is not UTF-8 text: .* 0xe9; save the file as UTF-8\.$'):
        classes(tmp_path, '0.png,a\n1.png,café\n'.encode('latin-1'))


def test_an_image_of_two_classes_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'says two classes of 0\.png: a and b\.$'):
        classes(tmp_path, '0.png,a\n0.png,b\n1.png,b\n')
