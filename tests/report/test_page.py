"""report.html in a real browser: drawn, sorted, chosen by keyboard, in light and dark, narrow and wide, without a network.

With MAYO_SCREENSHOTS=FOLDER it leaves pictures of the page there, to be looked at.
"""

import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mayo.report import single
from mayo.report.facts import _uri, times_of
from mayo.util.errors import RunError

CLASSES = ['cat', 'dog & cow', '<b>newt</b></script>']


def layer(name: str, density: float | None, channels: int) -> dict[str, Any]:
    dense = 1000 * channels
    gate = {'always': 0.25, 'sometimes': 0.5, 'never': 0.25, 'turnover': 0.125} if density else {}
    executed = round(dense * (density or 1))
    return {
        'name': name,
        'type': 'gated_convolution' if density else 'convolution',
        'shape': f'8x8x{channels}',
        'channels': channels,
        'parameters': 9 * channels,
        'dense': dense,
        'executed': executed,
        'density': density,
        **gate,
    }


def row(name: str, density: float | None, top1: float, executed: int) -> dict[str, Any]:
    return {
        'name': name,
        'precision': 'float32',
        'top1': top1,
        'top5': 0.99,
        'loss': 0.3,
        'images': 50,
        'density': density,
        'dense': 44_000,
        'executed': executed,
        'weights': 4000,
        'spread': None,
    }


def facts() -> dict[str, Any]:
    random = np.random.default_rng(0)
    pictures = random.uniform(-1, 1, (6, 8, 8, 3))
    return {
        'title': 'Tiny <i>network</i>',
        'dataset': 'pictures',
        'name': 'gate50',
        'result': row('gate50', 0.5, 0.9, 24_000),
        'others': [row('pretrained', None, 0.92, 44_000), row('gate30', 0.3, 0.8, 16_000)],
        'times': [
            {'label': f'{kind} native', 'network': kind, 'precision': 'float32', 'ms': ms, 'p5': ms, 'p95': ms, 'macs': 1000}
            for kind, ms in (('dense', 1.5), ('static', 0.6), ('compact', 0.75))
        ],
        'layers': [layer('conv0', None, 4), layer('conv1', 0.5, 16), layer('conv2', 0.25, 24)],
        'edges': [['input', 'conv0'], ['conv0', 'conv1'], ['conv0', 'conv2'], ['conv1', 'conv2']],
        'inputs': ['input'],
        'training': {'gate50': [{'epoch': n, 'step': n, 'rate': 0.1, 'loss': 1 / n, 'top1': 0.5 + n / 20, 'validation_top1': 0.4 + n / 20} for n in range(1, 6)]},
        'channels': {
            'conv1': {'width': 16, 'always': 4, 'never': 4, 'channels': list(range(8)), 'classes': CLASSES, 'left_out': 0, 'active': random.integers(0, 101, (3, 8)).tolist()},
            'conv2': {'width': 24, 'always': 24, 'never': 0, 'channels': [], 'classes': CLASSES, 'left_out': 7, 'active': [[], [], []]},
        },
        'examples': [
            {'picture': _uri(pictures[n], -1, 1), 'label': CLASSES[n % 3], 'guess': CLASSES[n % 2], 'executed': 20_000 + 1000 * n, 'layers': {'conv1': {'bits': '01' * 8, 'executed': 8000}, 'conv2': {'bits': '1' * n + '0' * (24 - n), 'executed': 500 * n}}}
            for n in range(6)
        ],
    }  # fmt: skip


def test_the_page_holds_its_data_and_names_no_place_on_the_network(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, '_library', lambda: '/* drawings */')
    monkeypatch.setattr(single, 'check', lambda: None)
    page = single.write_page(facts(), tmp_path / 'new' / 'report.html').read_text(encoding='utf-8')
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert data
    assert json.loads(data[1]) == facts()
    assert page.count('</script>') == 3
    assert '<title>Tiny &lt;i&gt;network&lt;/i&gt;, pictures</title>' in page
    assert re.findall(r'(?:src|href)\s*=\s*"(?!#)[^"]*"', page) == []
    assert '@' not in re.sub(r'@media|aria', '', page.partition('<script id="data"')[0])


def test_what_draws_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(single, 'missing', lambda packages: list(packages))
    with pytest.raises(RunError, match=r'`report` needs vl-convert-python, which is not installed; pip install .*report'):
        single.write_page(facts(), tmp_path / 'report.html')
    assert not (tmp_path / 'report.html').exists()


def test_times_are_milliseconds() -> None:
    from mayo.bench.record import Measurement, Timing

    measured = Measurement(
        'dense',
        'native',
        'dense native',
        Timing(0.002, 0.001, 0.003, 9, 0.004),
        500.0,
        10,
        'float32',
        1.0,
        1.0,
        None,
        1.0,
        1,
        None,
    )
    assert [
        {key: value for key, value in time.items() if key in ('ms', 'p5', 'p95', 'macs')} for time in times_of([measured])
    ] == [{'ms': 2.0, 'p5': 1.0, 'p95': 3.0, 'macs': 10}]


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip('selenium.webdriver', reason='selenium drives the browser: it comes with the dev extra')
    pytest.importorskip('vl_convert', reason='vl-convert-python draws: it comes with the report extra')
    chromium, driver = shutil.which('chromium') or shutil.which('google-chrome'), shutil.which('chromedriver')
    if not chromium or not driver:
        pytest.skip('no Chromium with its driver is installed: apt install chromium chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as running:
        running.set_page_load_timeout(200)
        running.set_script_timeout(200)
        yield running


@pytest.fixture(scope='module')
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = single.write_page(facts(), tmp_path_factory.mktemp('page') / 'report.html')
    browser.execute_cdp_cmd('Network.enable', {})
    browser.execute_cdp_cmd(
        'Network.emulateNetworkConditions', {'offline': True, 'latency': 0, 'downloadThroughput': 0, 'uploadThroughput': 0}
    )
    browser.get(path.as_uri())
    settle(browser)
    return browser


def settle(browser: Any) -> None:
    """Wait until every chart is drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 200).until(lambda page: page.execute_script('return document.body.dataset.ready') == 'yes')


def texts(page: Any, selector: str) -> list[str]:
    script = 'return [...document.querySelectorAll(arguments[0])].map(node => node.textContent)'
    contents: list[str] = page.execute_script(script, selector)
    return contents


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings('ignore')
def test_a_browser_draws_everything_and_complains_of_nothing(page: Any) -> None:
    assert [entry['message'] for entry in page.get_log('browser')] == []
    assert page.execute_script("return [...document.querySelectorAll('.chart')].map(node => node.dataset.drawn)") == ['yes'] * 4
    assert texts(page, 'h2') == [
        'Comparison',
        'Time',
        'Network',
        'Layers',
        'Which channels serve which classes',
        'Images',
        'Training',
    ]
    assert texts(page, '.card b') == ['90.00 %', '24.0k', '0.750 ms']
    assert 'Dense (pretrained): 92.00 %' in texts(page, '.card span')[0]
    assert texts(page, '.card span')[1] == 'MACs executed of 44.0k dense: 1.83 times fewer'
    assert texts(page, '.card span')[2].endswith('; dense 1.50 ms, static 0.600 ms')
    assert texts(page, 'h1') == ['Tiny <i>network</i>']


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings('ignore')
def test_a_table_is_sorted_by_its_titles(page: Any) -> None:
    button = '#layers th:nth-child(6) button'
    names = '#layers tbody td:first-child'
    assert texts(page, names) == ['conv0', 'conv1', 'conv2']
    page.execute_script('document.querySelector(arguments[0]).click()', button)
    assert texts(page, names) == ['conv1', 'conv2', 'conv0']
    page.execute_script('document.querySelector(arguments[0]).click()', button)
    assert texts(page, names) == ['conv0', 'conv2', 'conv1']
    assert page.execute_script('return document.querySelectorAll("#layers th[aria-sort=ascending]").length') == 1


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings('ignore')
def test_the_keyboard_chooses_an_image_and_its_channels_follow(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    first = page.find_element('css selector', '.images input')
    assert texts(page, '#chosen')[0].startswith('cat, taken to be cat: 20.0k of 44.0k MACs, 55 % saved')
    assert texts(page, '.layer b') == ['conv1', 'conv2']
    page.execute_script('arguments[0].focus()', first)
    first.send_keys(Keys.ARROW_RIGHT)
    assert texts(page, '#chosen')[0].startswith('dog & cow, taken to be dog & cow: 21.0k of 44.0k')
    assert texts(page, '.layer > :last-child')[1].startswith('1 of 24 channels, 0 of them woken by fewer')
    assert page.execute_script("return document.querySelectorAll('.layer:last-child .strip i.on').length") == 1


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings('ignore')
def test_a_layer_is_chosen_for_the_map_of_classes(page: Any) -> None:
    sentence = '#channels p[aria-live]'
    assert texts(page, sentence) == ['Of 16 channels 4 serve every class, 4 none, and 8 differ.']
    page.execute_script(
        "const choice = document.getElementById('layer'); choice.value = 'conv2'; choice.dispatchEvent(new Event('change'))"
    )
    assert texts(page, sentence) == [
        'Of 24 channels 24 serve every class, 0 none, and 0 differ. 7 classes that differ least are left out.'
    ]


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [360, 1280])
def test_it_fits_narrow_and_wide_in_light_and_dark(page: Any, scheme: str, width: int) -> None:
    page.execute_script('delete document.body.dataset.ready')
    page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
    page.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride', {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': False}
    )
    page.execute_script('drawAll()')
    settle(page)
    assert page.execute_script('return document.documentElement.scrollWidth') <= width
    dark = page.execute_script('return getComputedStyle(document.body).backgroundColor') == 'rgb(20, 25, 30)'
    assert dark == (scheme == 'dark')
    ink = page.execute_script("return document.querySelector('.chart svg text').getAttribute('fill')")
    assert ink == ('#e8edf2' if dark else '#16202a')
    folder = os.environ.get('MAYO_SCREENSHOTS')
    if folder:
        take(page, pathlib.Path(folder) / f'report-{scheme}-{width}.png')


def take(page: Any, path: pathlib.Path) -> None:
    """A picture of the whole page."""
    import base64

    taken = page.execute_cdp_cmd('Page.captureScreenshot', {'captureBeyondViewport': True})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(taken['data']))
