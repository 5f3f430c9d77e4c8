"""The image and the file for Compose: well-formed, built from what is there, without privileges.

No container is run here: what the files say of that is in ``docs/how-to/deploy.md``.
"""

import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import autograder
from tests.deploy import files
from tests.packaging.installed import NO_SOURCE

_IGNORED = files.CONTAINERFILE.with_name("Containerfile.dockerignore")
_TOOLS = Path(sys.executable).parent
_YAMLLINT = """
extends: default
rules:
  line-length: {max: 120}
  braces: {max-spaces-inside: 0}
"""


def check(*command: str) -> None:
    """Run a linter, which must find nothing."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize(
    "path", sorted(files.DEPLOY.rglob("*.yaml")), ids=lambda path: str(path.name)
)
def test_yaml_is_tidy(path: Path) -> None:
    check(sys.executable, "-m", "yamllint", "--strict", "-d", _YAMLLINT, str(path))


def test_the_file_for_the_image_is_well_formed() -> None:
    check(str(_TOOLS / "hadolint"), str(files.CONTAINERFILE))


def test_the_file_for_compose_fits_the_specification() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    check(sys.executable, "-m", "check_jsonschema", *schema, str(files.COMPOSE))


def _copied() -> list[str]:
    """What the image takes from the repository."""
    taken = [shlex.split(rest)[:-1] for name, rest in files.instructions() if name == "COPY"]
    return [one for sources in taken for one in sources if not one.startswith("--from=")
            and not one.startswith("/")]  # fmt: skip


def test_the_image_is_built_from_what_its_context_has() -> None:
    lines = [line for line in _IGNORED.read_text("utf-8").splitlines() if not line.startswith("#")]
    everything, *rest = lines
    assert everything == "*"
    let_in = {line[1:] for line in rest if line.startswith("!")}
    assert let_in == set(_copied())
    assert [name for name in let_in if not (files.ROOT / name).exists()] == []
    secret = ("solutions", "source", "tests", "nbgrader_config.py", ".git", "deploy")
    assert not [name for name in secret if any(fnmatch.fnmatch(name, one) for one in let_in)]


def test_the_package_can_be_built_from_what_the_image_takes(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for name in _copied():
        if (files.ROOT / name).is_dir():
            ignored = shutil.ignore_patterns(*NO_SOURCE)
            shutil.copytree(files.ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(files.ROOT / name, source)
    command = ("-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(source))
    check(sys.executable, *command)
    assert list(tmp_path.glob(f"*-{autograder.__version__}-*.whl"))


def test_nothing_in_the_image_is_run_as_root() -> None:
    *_others, (last, user) = [one for one in files.instructions() if one[0] in ("USER", "FROM")]
    assert (last, user) == ("USER", "10001:10001")


def test_images_have_the_version_that_is_here() -> None:
    version = autograder.__version__
    for path in (files.CONTAINERFILE, *files.DEPLOY.rglob("*.yaml")):
        named = re.findall(r"autograder:(\d[\w.]*)|newTag: (\S+)", path.read_text("utf-8"))
        assert {one or other for one, other in named} <= {version}, path


def test_services_have_no_privilege_and_no_way_to_write_but_volumes() -> None:
    services = files.compose()["services"]
    for name in ("serve", "worker"):
        service = services[name]
        assert service["user"] == "10001:10001"
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True and "privileged" not in service


def test_the_database_and_workers_are_reached_from_inside_only() -> None:
    found = files.compose()
    assert found["networks"]["inside"]["internal"] is True
    for name in ("db", "worker"):
        assert found["services"][name]["networks"] == ["inside"]
        assert "ports" not in found["services"][name]
    assert all(one.startswith("127.0.0.1:") for one in found["services"]["serve"]["ports"])


def test_passwords_are_files_that_are_not_kept_in_the_repository() -> None:
    found = files.compose()
    assert found["secrets"]
    for secret in found["secrets"].values():
        path = (files.CONTAINER / secret["file"]).relative_to(files.ROOT)
        check("git", "-C", str(files.ROOT), "check-ignore", "--quiet", str(path))
    assert "PASSWORD:" not in files.COMPOSE.read_text("utf-8")
