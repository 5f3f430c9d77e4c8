"""What is in the wheel and in the sdist: all of the package, and nothing that lies beside it."""

import ast
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import autograder
from tests.packaging.installed import OUTSIDE, PROJECT, ROOT, Installed, needed

PACKAGE: Final = ROOT / "autograder"
_SOURCES_ALONE: Final = ("*.pot",)
"""What only those who change the package need."""
_PROVIDERS: Final = {
    "_pytest": "pytest",
    "jwt": "pyjwt",
    "pylti1p3": "pylti1p3next",
}
"""Distributions of modules that have another name."""
_IMPORT_ALL: Final = """
import importlib, pkgutil, sys
from pathlib import Path
import autograder
assert Path(autograder.__file__).is_relative_to(sys.argv[1]), autograder.__file__
def broken(name):
    raise
for module in pkgutil.walk_packages(autograder.__path__, "autograder.", onerror=broken):
    if module.name not in sys.argv[2:]:
        importlib.import_module(module.name)
        print(module.name)
"""
_OF_EXTRAS: Final = ("lms", "web", "demo_platform", "workers", "__pycache__")
"""The rooms that need what only an extra installs."""
_RUN_BY_ALEMBIC: Final = ("autograder.lms.migrations.env", "autograder.workers.migrations.env")
"""Can be imported only while Alembic runs it."""


@pytest.fixture(scope="module")
def files(installed: Installed) -> set[str]:
    """The names in the wheel."""
    with zipfile.ZipFile(installed.built.wheel) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(installed: Installed) -> Metadata:
    """What the wheel says of itself, checked by the rules that indexes of packages have."""
    with zipfile.ZipFile(installed.built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return Metadata.from_email(wheel.read(name), validate=True)


def _of_the_package() -> Iterator[str]:
    """Every file of the package, as it is named in the wheel."""
    for path in PACKAGE.rglob("*"):
        is_made = "__pycache__" in path.parts or path.is_dir()
        if not is_made and not any(path.match(pattern) for pattern in _SOURCES_ALONE):
            yield path.relative_to(ROOT).as_posix()


def test_the_wheel_has_every_file_of_the_package(files: set[str]) -> None:
    missing = set(_of_the_package()) - files
    assert not missing, f"add them to [tool.setuptools.package-data]: {sorted(missing)}"


def test_the_wheel_has_nothing_but_the_package_and_what_tells_of_it(files: set[str]) -> None:
    told = f"{PROJECT.replace('-', '_')}-{autograder.__version__}.dist-info"
    tops = {PurePosixPath(name).parts[0] for name in files}
    assert tops == {"autograder", told}
    assert not tops & set(OUTSIDE)
    assert not [name for name in files if name.endswith((".ipynb", ".db", ".log", ".pyc"))]


def test_the_sdist_has_no_course_and_no_tests(installed: Installed) -> None:
    with tarfile.open(installed.built.sdist) as sdist:
        names = {PurePosixPath(*PurePosixPath(name).parts[1:]) for name in sdist.getnames()}
    assert PurePosixPath("pyproject.toml") in names
    assert not {name.parts[0] for name in names if name.parts} & set(OUTSIDE)


def test_the_licence_travels_with_the_wheel(files: set[str], metadata: Metadata) -> None:
    assert str(metadata.license_expression) == "BSD-3-Clause"
    assert metadata.license_files == ["LICENSE"]
    assert [name for name in files if name.endswith(".dist-info/licenses/LICENSE")]


def test_what_the_wheel_says_of_itself_is_valid(metadata: Metadata) -> None:
    assert metadata.name == PROJECT
    assert str(metadata.version) == autograder.__version__
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(metadata.provides_extra or ()) == {"lms", "postgres", "workers", "docs", "dev"}


def test_every_module_of_the_wheel_can_be_imported(installed: Installed, tmp_path: Path) -> None:
    """Here, where the extras are installed too; but from the wheel, not from the repository."""
    with zipfile.ZipFile(installed.built.wheel) as wheel:
        wheel.extractall(tmp_path)
    command = [sys.executable, "-c", _IMPORT_ALL, str(tmp_path), *_RUN_BY_ALEMBIC]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    imported = set(done.stdout.split())
    assert {"autograder.web.app", "autograder.lms.gradefiles.export"} <= imported


def _imported(folder: Path) -> dict[str, set[str]]:
    """The modules of others that the files of a folder import, and where."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.partition(".")[0] for name in names}:
                if top not in sys.stdlib_module_names and top != "autograder":
                    found.setdefault(top, set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_every_package_that_is_imported_is_a_dependency_or_of_an_extra(metadata: Metadata) -> None:
    """Also those that others bring along today: they need not do so tomorrow."""
    declared = {canonicalize_name(one.name) for one in metadata.requires_dist or ()}
    undeclared = {
        top: sorted(where)
        for top, where in _imported(PACKAGE).items()
        if canonicalize_name(_PROVIDERS.get(top, top)) not in declared
    }
    assert not undeclared


def test_what_only_an_extra_brings_is_imported_by_the_rooms_of_that_extra_alone(
    metadata: Metadata,
) -> None:
    plain = [str(one) for one in metadata.requires_dist or () if "extra ==" not in str(one.marker)]
    there = {canonicalize_name(one.metadata["Name"]) for one in needed(plain)}
    for room in sorted(PACKAGE.iterdir()):
        if room.is_dir() and room.name not in _OF_EXTRAS:
            for top, where in _imported(room).items():
                assert canonicalize_name(_PROVIDERS.get(top, top)) in there, (top, where)


def test_extras_name_requirements_that_are_installed_here(metadata: Metadata) -> None:
    """So that what is tested is what the extras promise."""
    for requirement in metadata.requires_dist or ():
        plain = Requirement(f"{requirement.name}{requirement.specifier}")
        (found,) = [one for one in needed([str(plain)]) if _is(one.metadata["Name"], plain.name)]
        assert plain.specifier.contains(found.version, prereleases=True), requirement


def _is(name: str, other: str) -> bool:
    return canonicalize_name(name) == canonicalize_name(other)
