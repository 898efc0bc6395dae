"""The house: imports go down its eight floors, neighbours keep apart, and the lower floors start without TensorFlow."""

import ast
import pathlib
import subprocess
import sys
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLOORS = {
    'util': 0,
    'config': 1,
    'layers': 2,
    'net': 2,
    'estimate': 2,
    'override': 2,
    'net.tf': 3,
    'data': 3,
    'checkpoint': 3,
    'session': 4,
    'training': 5,
    'slim': 5,
    'export': 5,
    'report': 5,
    'bench': 5,
    'search': 5,
    'actions': 6,
    'cli': 7,
}
DESCRIPTION = ('layers', 'net', 'estimate')  # on floor 2: what layers are, their graph, what it costs
NETWORK = (
    'net.tf.objects',
    'net.tf.gate',
    'net.tf.layer',
    'net.tf.override',
    'net.tf.network',
    'net.tf.compact',
    'net.tf.engines',
)
HEAVY = {'tensorflow', 'keras'}
CONFIG_READERS = {'config', 'session', 'training', 'actions', 'cli'}


def module_name(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {module_name(path): path for path in sorted((ROOT / 'mayo').rglob('*.py'))}


def part(module: str) -> str | None:
    """The longest entry of FLOORS that holds the module; None for `mayo` itself."""
    inner = module.removeprefix('mayo').lstrip('.')
    matches = [name for name in FLOORS if inner == name or inner.startswith(name + '.')]
    return max(matches, key=len, default=None)


def imports(module: str) -> list[tuple[str, bool]]:
    """(imported module, at module level) of every import statement."""
    tree = ast.parse(MODULES[module].read_text(encoding='utf-8'))
    deferred = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(function)
        for node in ast.walk(function)
    }
    named = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named += [(alias.name, id(node) not in deferred) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{module} imports relatively; name the module in full'
            for alias in node.names:
                inner = f'{node.module}.{alias.name}'
                named.append((inner if inner in MODULES else node.module or '', id(node) not in deferred))
    return named


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test)


def ours(module: str) -> list[str]:
    return [name for name, _ in imports(module) if name.split('.')[0] == 'mayo']


def test_every_module_stands_on_a_floor() -> None:
    assert [name for name in MODULES if part(name) is None and name != 'mayo'] == []


@pytest.mark.parametrize('module', MODULES)
def test_imports_only_go_down(module: Any) -> None:
    here = part(module)
    climbing = [
        name for name in ours(module) if here and part(name) and part(name) != here and FLOORS[part(name)] > FLOORS[here]
    ]
    assert climbing == []


@pytest.mark.parametrize('module', MODULES)
def test_neighbours_on_a_floor_do_not_import_each_other(module: Any) -> None:
    here = part(module)
    neighbours = [
        name for name in ours(module) if here and part(name) and part(name) != here and FLOORS[part(name)] == FLOORS[here]
    ]
    below = DESCRIPTION[: DESCRIPTION.index(here)] if here in DESCRIPTION else ()
    assert [name for name in neighbours if part(name) not in below] == []


@pytest.mark.parametrize('module', [name for name in MODULES if name.startswith('mayo.net.tf.')])
def test_inside_the_network_gates_come_before_layers_before_the_network(module: Any) -> None:
    def step(name: str) -> int:
        return next((i for i, start in enumerate(NETWORK) if name.removeprefix('mayo.').startswith(start)), 0)

    assert [name for name in ours(module) if name.startswith('mayo.net.tf.') and step(name) > step(module)] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        name: {other for other, at_top in imports(name) if at_top and other in MODULES and other != name} for name in MODULES
    }
    while graph:
        free = [name for name, below in graph.items() if not below & graph.keys()]
        assert free, f'a circle among {sorted(graph)}'
        for name in free:
            del graph[name]


@pytest.mark.parametrize('module', [name for name in MODULES if part(name) not in CONFIG_READERS])
def test_the_configuration_is_read_on_the_upper_floors_only(module: Any) -> None:
    assert [name for name in ours(module) if name in ('mayo.config', 'mayo.config.config')] == []


def light_modules() -> list[str]:
    """What must start without TensorFlow: floors 0 to 2, the command line, and what answers before any session."""
    light = [name for name in MODULES if FLOORS.get(part(name) or '', 7) <= 2 or part(name) in ('actions', 'cli')]
    return [name for name in light if name != 'mayo.cli.__main__'] + [
        'mayo.session',
        'mayo.session.spec',
        'mayo.data',
        'mayo.data.augment',
        'mayo.net.tf.engines',
        'mayo.export',
    ]


def test_the_lower_floors_start_without_tensorflow() -> None:
    code = f'import sys, {", ".join(light_modules())}; print(*({HEAVY!r} & sys.modules.keys()))'
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_help_asks_knows_actions_and_no_layers() -> None:
    code = 'import sys, mayo.actions; print(*(name for name in sys.modules if name.startswith(("mayo.layers", "mayo.net"))))'
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


PROCESS_CHANGES = (
    'os.environ',
    'os.putenv',
    'logging.basicConfig',
    'warnings.filterwarnings',
    'warnings.simplefilter',
    'sys.excepthook',
    'signal.signal',
    'np.random.seed',
    'tf.random.set_seed',
    'random.seed',
)


@pytest.mark.parametrize('module', MODULES)
def test_importing_a_module_changes_nothing_in_the_process(module: Any) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding='utf-8'))
    at_top = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    touched = [ast.unparse(node) for node in at_top if any(change in ast.unparse(node) for change in PROCESS_CHANGES)]
    assert touched == []


def test_the_repository_holds_no_links_which_point_elsewhere_on_another_machine() -> None:
    if not (ROOT / '.git').exists():
        pytest.skip('not a checkout')
    kept = subprocess.run(['git', 'ls-files', '--stage'], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert [line for line in kept.stdout.splitlines() if line.startswith('120000')] == []


VAGUE = {'one', 'found', 'said', 'made'}  # what holds a value is named by that value


def vague_names(tree: ast.AST) -> list[str]:
    """Identifiers that a file defines or uses and that say nothing, as `line: name`; keywords of calls count where they are defined."""
    names = []
    for node in ast.walk(tree):
        fields = [] if isinstance(node, ast.keyword) else ['id', 'attr', 'arg', 'name', 'asname', 'names', 'rest']
        values = [value for field in fields for value in _listed(getattr(node, field, None))]
        names += [
            f'{getattr(node, "lineno", 0)}: {value}'
            for value in values
            if isinstance(value, str) and value.strip('_').lower() in VAGUE
        ]
    return names


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_names_say_what_they_hold() -> None:
    files = [path for folder in ('mayo', 'benchmarks', 'docs', 'tests') for path in sorted((ROOT / folder).rglob('*.py'))]
    files += sorted(ROOT.glob('*.py'))
    vague = [
        f'{path.relative_to(ROOT)}:{name}'
        for path in files
        for name in vague_names(ast.parse(path.read_text(encoding='utf-8')))
    ]
    assert vague == []


@pytest.mark.parametrize(
    'code',
    [
        'said = 1',
        'def _found(): pass',
        'class Said: pass',
        'import a as made',
        'a.FOUND',
        'def f(*, one): pass',
        'def f(*made): pass',
        'x = lambda one: 1',
        'def f():\n    global found',
        'match x:\n    case {**said}: pass',
        'match x:\n    case [*made]: pass',
        'try: pass\nexcept E as found: pass',
        "f'{made}'",
    ],
)
def test_a_vague_name_is_seen_wherever_it_stands(code: str) -> None:
    assert len(vague_names(ast.parse(code))) == 1
