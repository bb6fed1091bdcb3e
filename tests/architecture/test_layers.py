"""The house is a test: imports point downward, the core has no doors, modules stay small."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "repwatch"
# Top first. A module may import from its own layer and from those below it.
LAYERS = [
    {"cli"},
    {"app"},
    {"sandbox"},
    {"web", "adapters"},
    {"flows"},
    {"ports"},
    {"render"},
    {"reseed", "drift", "health"},
    {"sql"},
    {"model"},
    {"errors"},
]
PURE = {"render", "sql", "reseed", "drift", "health", "model"}
DOORS = {
    "apscheduler", "http", "logging", "mysql", "os", "random", "secrets", "slack_sdk", "smtplib", "socket", "sqlalchemy",
    "sqlite3", "subprocess", "threading", "time", "urllib.request", "uvicorn",
}  # fmt: skip
MAX_LINES = 500


def rank(layer: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if layer in names)


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem == "errors")


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    own = rank(layer_of(path))
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "repwatch" and len(parts) > 1 and (ROOT / parts[1]).is_dir() | (parts[1] == "errors"):
            assert rank(parts[1]) >= own, f"{path.relative_to(ROOT)} imports {name}, which lies above it"


@pytest.mark.parametrize("path", [p for p in modules() if layer_of(p) in PURE], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_has_no_doors(path: Path) -> None:
    for name in imports(path):
        assert not any(name == door or name.startswith(f"{door}.") for door in DOORS), f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
