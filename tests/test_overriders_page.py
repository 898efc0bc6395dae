"""docs/overriders.md: its tables are those of the code, and its examples parse."""

import dataclasses
import pathlib
import re

import yaml

from mayo.override import of_layer, overriders
from mayo.override.base import Quantizer
from mayo.util.kinds import shown

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / 'docs/overriders.md').read_text(encoding='utf-8')
ROW = re.compile(r'^\| `(\w+)`( \*)? \|(.*?)\| (.*?) \|$', re.MULTILINE)


def arguments(name: str) -> str:
    """As the table has them."""
    fields = [field for field in dataclasses.fields(overriders[name]) if field.name not in ('should_update', 'enable')]
    required = [f'`{field.name}`' for field in fields if field.default is dataclasses.MISSING]
    return ', '.join(
        required + [f'`{field.name}` ({shown(field.default)})' for field in fields if field.default is not dataclasses.MISSING]
    )


def test_every_overrider_is_there_with_its_arguments_and_defaults() -> None:
    told = {name: (bool(star), given.strip()) for name, star, given, _ in ROW.findall(PAGE) if name in overriders}
    expected = {
        name: (issubclass(kind, Quantizer), arguments(name)) for name, kind in ((name, overriders[name]) for name in overriders)
    }
    assert {name: (star, sorted(given.split(', '))) for name, (star, given) in told.items()} == {
        name: (star, sorted(given.split(', '))) for name, (star, given) in expected.items()
    }


def test_the_example_is_what_it_says() -> None:
    model = yaml.safe_load(re.search(r'```yaml\n(.*?)```', PAGE, re.DOTALL)[1])['model']
    assert set(of_layer(model, 'model')) == {'weights'}
    own = of_layer(model['layers']['conv0'], 'conv0')
    assert [member.name for member in own['weights'].members()] == ['DynamicNetworkSurgeryPruner', 'FixedPointQuantizer']
    assert set(own) == {'weights', 'activation'}


def test_every_shipped_overlay_of_overriders_is_told_and_parses() -> None:
    told = set(re.findall(r'^\| `(\w+\.yaml)` \|', PAGE, re.MULTILINE))
    shipped = {
        file.name for file in (ROOT / 'models/override').glob('*.yaml') if 'overrider' in file.read_text(encoding='utf-8')
    }
    assert told == shipped
