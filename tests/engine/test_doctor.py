"""What the doctor finds on machines and in courses that are not well, and how to mend it."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.doctor import Check, jupyter, machine, python
from autograder.doctor import course as course_checks
from autograder.doctor.findings import safely
from tests.attacks.modes import ROOM, available
from tests.engine.test_cli import assert_as_documented
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Exchange.timezone = "America/Bogota"
c.CourseDirectory.db_url = "sqlite:///{root}/gradebook.db?timeout=0.2"
c.Exchange.root = "{root}"
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    notebook = notebook_of([nbgrader_cell("a = 1", "a"), nbgrader_cell("# a", "check-a", 1)])
    grader = 'import pytest\n@pytest.mark.grade_cell("check-a")\ndef test_a(submission): ...\n'
    make_course(folder, CONFIG.format(root=folder), grader, notebook)
    return folder


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    """A course in which all is well."""
    folder = tmp_path / "course"
    shutil.copytree(template, folder)
    (folder / "nbgrader_config.py").write_text(CONFIG.format(root=folder))
    return folder


def of_course(root: Path) -> dict[str, Check]:
    return {check.name: check for check in course_checks.checks(root)}


def states(checks: Iterable[Check]) -> dict[str, str]:
    return {check.name: check.state for check in checks}


def only(checks: Iterable[Check]) -> Check:
    (check,) = checks
    return check


# The course


def test_a_course_in_which_all_is_well(root: Path) -> None:
    found = of_course(root)
    assert set(states(found.values()).values()) == {"ok"}
    assert list(found) == [
        "configuration", "source", "release", "submitted", "autograded", "feedback", "records",
        "graders", "gradebook", "secret", "exchange", "time zone",
    ]  # fmt: skip
    assert "hidden graders" in found["configuration"].found
    assert found["source"].found == "1 assignment: one"
    assert re.search(r"schema [0-9a-f]{12}$", found["gradebook"].found)
    assert all(check.mend == "" for check in found.values())


def test_looking_writes_nothing(root: Path, own_data_folder: Path) -> None:
    def files() -> dict[Path, int]:
        paths = [*root.rglob("*"), *own_data_folder.rglob("*")]
        return {path: path.stat().st_mtime_ns for path in paths if "__pycache__" not in path.parts}

    before = files()
    of_course(root)
    assert files() == before


def test_outside_a_course_it_says_so(tmp_path: Path) -> None:
    check = only(course_checks.checks(tmp_path))
    assert (check.name, check.state) == ("course", "warning")
    assert "is no course" in check.found and "--course" in check.mend


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("c = get_config(\n", "SyntaxError: '(' was never closed"),
        ("c = get_config()\nimport nowhere\n", "line 2: ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)\n", "nbgrader_config.py: "),
        ("c = get_config()\nc.CourseDirectory.db_url = 7\n", "'db_url' trait"),
        ("c = get_config()\nc.Jail.memory_mib = 'much'\n", "memory_mib"),
        ("c = get_config()\nc.RunGraders.langauge = 'en'\n", "did you mean c.RunGraders.language?"),
        ("c = get_config()\nc.Jail.call_second = 2\n", "did you mean c.Jail.call_seconds?"),
        (
            "c = get_config()\nc.JailedExecute.timelimit = 2\n",
            "there is no c.JailedExecute.timelimit; ",
        ),
        (
            "c = get_config()\nc.RunGradrs.call_seconds = 2\n",
            "did you mean c.RunGraders.call_seconds?",
        ),
        ("c = get_config()\nc.jail.call_seconds = 2\n", "there is no c.jail; did you mean c.Jail?"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_one_failure_with_its_place(
    root: Path, config: str, told: str
) -> None:
    (root / "nbgrader_config.py").write_text(config)
    check = only(course_checks.checks(root))
    assert (check.name, check.state) == ("configuration", "failed")
    assert told in check.found and str(root / "nbgrader_config.py") in check.found


def test_a_configuration_that_cannot_be_read_is_an_error_of_every_command(root: Path) -> None:
    """nbgrader would go on without it, and then run submissions without walls."""
    (root / "nbgrader_config.py").write_text("c = get_config(\n")
    done = CliRunner().invoke(main, ["--course", str(root), "grade"])
    assert done.exit_code == 1
    assert "SyntaxError" in done.stderr and "Traceback" not in done.stderr


def test_options_that_are_not_ours_are_not_ours_to_judge(root: Path) -> None:
    with (root / "nbgrader_config.py").open("a") as config:
        config.write("c = get_config()\nc.Exporter.teacher = 1\nc.RunBefore.own = 2\n")
        config.write("c.Execute.timeout = 3\nc.Jail.fall_back = False\nc.Jail.check_seconds = 3\n")
        config.write("c.RunGraders.enabled = True\nc.RunGraders.preload.append('math')\n")
    assert of_course(root)["configuration"].state == "ok"


def test_what_a_configuration_prints_is_no_result_of_a_command(root: Path) -> None:
    with (root / "nbgrader_config.py").open("a") as config:
        config.write("print('left from a search for a mistake')\n")
    done = CliRunner().invoke(main, ["--course", str(root), "release", "--json"])
    assert json.loads(done.stdout)["released"][0]["assignment"] == "one"
    assert "left from a search" in done.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("c.Autograde.autograde_preprocessors = 5", "'autograde_preprocessors' trait"),
        ("c.Autograde.autograde_preprocessors = [5]", "5 is no preprocessor"),
        ("c.Autograde.autograde_preprocessors = ['nowhere.Run']", "No module named 'nowhere'"),
        ("c.CourseDirectory.db_url = 'gradebook.db'", "Could not parse"),
        ("c.CourseDirectory.db_url = 'postgres://one@localhost/x'", "dialects:postgres"),
        ("c.CourseDirectory.db_url = 'mysql://one@localhost/x'", "No module named 'MySQLdb'"),
    ],
)
def test_a_value_that_nothing_can_be_done_with_is_told_and_hides_nothing_else(
    root: Path, line: str, told: str
) -> None:
    with (root / "nbgrader_config.py").open("a") as config:
        config.write(f"{line}\n")
    found = of_course(root)
    (failed,) = [check for check in found.values() if check.state == "failed"]
    assert failed.name in ("configuration", "gradebook")
    assert told in failed.found and "nbgrader_config.py" in failed.mend
    assert {"source", "feedback", "time zone"} <= set(found)
    submitted = root / "submitted/ana/one"
    submitted.mkdir(parents=True)
    (submitted / "one.ipynb").write_text((root / "release/one/one.ipynb").read_text())
    done = CliRunner().invoke(main, ["--course", str(root), "grade"])
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert told in done.stderr and "nbgrader_config.py" in done.stderr


def test_without_the_engine_in_the_configuration_nothing_is_graded(root: Path) -> None:
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    assert of_course(root)["configuration"].state == "failed"
    submitted = root / "submitted/ana/one"
    submitted.mkdir(parents=True)
    (submitted / "one.ipynb").write_text((root / "release/one/one.ipynb").read_text())
    done = CliRunner().invoke(main, ["--course", str(root), "grade"])
    assert done.exit_code == 1
    assert "without walls" in done.stderr and "configure(get_config())" in done.stderr
    assert not (root / "autograded").exists()


def test_the_runner_for_tests_in_cells_is_an_engine_as_well(root: Path) -> None:
    path = root / "nbgrader_config.py"
    path.write_text(path.read_text().replace("configure", "configure_execute"))
    assert "tests in the notebooks' cells" in of_course(root)["configuration"].found


def test_a_file_where_a_folder_must_be_is_found(root: Path) -> None:
    (root / "submitted").write_text("")
    check = of_course(root)["submitted"]
    assert check.state == "failed" and "is no folder" in check.found and "move" in check.mend


@pytest.mark.skipif(not available("user"), reason="only root can become another user")
@pytest.mark.parametrize(
    ("open_folders", "closed"),
    [
        ((), ("release", "submitted", "autograded", "feedback", "records")),
        (("release", "submitted", "autograded", "feedback"), ("records",)),
    ],
)
def test_a_folder_that_this_user_cannot_write_to_is_found(
    open_folders: tuple[str, ...], closed: tuple[str, ...]
) -> None:
    code = (
        f"open_folders = {open_folders!r}"
        + """
from tests.attacks.modes import enter
import tempfile
from pathlib import Path
closed = Path(tempfile.mkdtemp())
closed.chmod(0o755)
for name in ("source/one", "submitted"):
    (closed / name).mkdir(parents=True)
for name in open_folders:
    (closed / name).mkdir(exist_ok=True)
    (closed / name).chmod(0o777)
(closed / "nbgrader_config.py").write_text("c = get_config()")
(closed / "source/one/one.ipynb").touch()
enter("user")
from autograder.doctor.course import checks
for check in checks(closed):
    print(check.name, check.state, check.found, sep="|")
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOM, capture_output=True, text=True, check=False
    )
    found = dict(line.split("|", 1) for line in done.stdout.splitlines())
    for step in ("release", "submitted", "autograded", "feedback", "records"):
        told = "failed|this user cannot write to /" if step in closed else "ok|/"
        assert found[step].startswith(told), done.stderr


def test_assignments_without_notebooks_graders_or_place_in_the_gradebook_are_named(
    root: Path,
) -> None:
    (root / "source/two").mkdir()
    (root / "source/two/two.ipynb").write_text((root / "source/one/one.ipynb").read_text())
    found = of_course(root)
    assert found["source"].found == "2 assignments: one, two"
    assert found["graders"].state == "warning" and found["graders"].found.endswith("for two")
    assert found["gradebook"].state == "warning"
    assert found["gradebook"].mend == "autograder release two"
    for path in root.glob("source/*/*.ipynb"):
        path.unlink()
    assert of_course(root)["source"].state == "failed"


def test_a_gradebook_that_is_locked_is_found(root: Path) -> None:
    lock = sqlite3.connect(root / "gradebook.db")
    lock.execute("BEGIN EXCLUSIVE")
    check = of_course(root)["gradebook"]
    lock.close()
    assert check.state == "failed" and "locked by another program" in check.found
    assert check.mend.startswith("close it")


def test_a_file_that_is_no_gradebook_is_found(root: Path) -> None:
    (root / "gradebook.db").write_text("no database, but a text that is long enough" * 20)
    check = of_course(root)["gradebook"]
    assert check.state == "failed" and "damaged" in check.found and "backup" in check.mend


def test_a_gradebook_of_another_version_of_nbgrader_is_found(root: Path) -> None:
    with sqlite3.connect(root / "gradebook.db") as gradebook:
        gradebook.execute("UPDATE alembic_version SET version_num = '724cde206c17'")
    check = of_course(root)["gradebook's schema"]
    assert check.state == "warning" and "724cde206c17" in check.found
    assert "nbgrader db upgrade" in check.mend


def test_a_course_that_was_never_released_has_no_gradebook_yet(root: Path) -> None:
    (root / "gradebook.db").unlink()
    check = of_course(root)["gradebook"]
    assert check.state == "ok" and "none yet" in check.found
    assert not (root / "gradebook.db").exists()


def test_a_secret_that_is_damaged_is_found(root: Path) -> None:
    with (root / "nbgrader_config.py").open("a") as config:
        config.write("c.RunGraders.secret_file = 'secret'\n")
    assert "will be made" in of_course(root)["secret"].found
    (root / "secret").write_text("no secret\n")
    check = of_course(root)["secret"]
    assert check.state == "failed" and "--rotate" in check.mend
    assert "no secret\n" not in check.found


def test_what_only_some_courses_need_is_a_warning(root: Path) -> None:
    path = root / "nbgrader_config.py"
    lines = [line for line in path.read_text().splitlines() if "Exchange" not in line]
    missing = root / "nowhere"
    path.write_text("\n".join([*lines, f"c.Exchange.root = {str(missing)!r}\n"]))
    found = of_course(root)
    assert found["exchange"].state == found["time zone"].state == "warning"
    assert found["exchange"].mend == f"mkdir -p {missing} && chmod ugo+rwx {missing}"
    assert "UTC" in found["time zone"].found
    path.write_text(path.read_text() + "c.Exchange.timezone = 'America/Macondo'\n")
    check = of_course(root)["time zone"]
    assert check.state == "failed" and "America/Macondo" in check.found


def test_an_exchange_that_is_not_configured_is_not_missed(root: Path) -> None:
    """`autograder lab` makes one of its own; nobody needs nbgrader's for grading."""
    path = root / "nbgrader_config.py"
    lines = [line for line in path.read_text().splitlines() if "Exchange.root" not in line]
    path.write_text("\n".join(lines))
    check = of_course(root)["exchange"]
    assert check.state == "ok" and "`autograder lab`" in check.found


# Python and its packages


@pytest.fixture
def asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have this package ask for other packages, or another Python."""

    def ask(*requirements: str, interpreter: str = ">=3.11") -> None:
        folder = tmp_path / "pytorch_autograder-9.dist-info"
        folder.mkdir(exist_ok=True)
        lines = [f"Requires-Dist: {one}" for one in requirements]
        facts = ["Metadata-Version: 2.1", "Name: pytorch-autograder", "Version: 9"]
        text = "\n".join([*facts, f"Requires-Python: {interpreter}", *lines, ""])
        (folder / "METADATA").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))

    return ask


def test_this_python_and_its_packages_are_as_they_must_be() -> None:
    assert set(states(python.interpreter()).values()) == {"ok"}
    check = only(python.packages())
    assert check.state == "ok" and f"click {version_of('click')}" in check.found


def version_of(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def test_packages_that_are_missing_or_too_old_are_named_with_the_command_that_mends_it(
    asks: Callable[..., None],
) -> None:
    asks("click>=999", "no-such-package-of-ours>=2", "rich>=1", 'pywin32>=1; os_name == "nt"')
    found = {check.name: check for check in python.packages()}
    assert states(found.values()) == {"click": "failed", "no-such-package-of-ours": "failed"}
    assert f"{version_of('click')} is installed; >=999 is needed" in found["click"].found
    assert found["click"].mend == "pip install 'click>=999'"
    assert "is not installed" in found["no-such-package-of-ours"].found


def test_another_python_that_is_needed_is_named(asks: Callable[..., None]) -> None:
    asks(interpreter=">=4.2")
    check = only(python.interpreter())
    assert check.state == "failed" and ">=4.2 is needed" in check.found
    assert "virtual environment" in check.mend


def test_extras_are_told_whether_they_are_there_or_not(asks: Callable[..., None]) -> None:
    asks('rich>=1; extra == "lms"', 'no-such-package-of-ours; extra == "postgres"')
    found = {check.name: check for check in python.extras()}
    assert set(states(found.values()).values()) == {"ok"}
    assert "installed: for `autograder serve`" in found["extra lms"].found
    assert "pip install 'pytorch-autograder[postgres]'" in found["extra postgres"].found


def test_an_extra_that_is_too_old_is_a_warning(asks: Callable[..., None]) -> None:
    asks('rich>=999; extra == "lms"')
    found = {check.name: check for check in python.extras()}
    assert found["rich"].state == "warning"


def test_without_what_pip_knows_it_is_one_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    check = only(safely("packages", python.packages))
    assert check.state == "failed" and "pytorch-autograder" in check.found


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12"),
        ("import os; os.kill(os.getpid(), 4)", "it ends with -4"),
    ],
)
def test_a_torch_that_does_not_run_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    (tmp_path / "torch.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = only(python.torch())
    assert check.state == "failed" and told in check.found and "torch" in check.mend


@pytest.mark.parametrize(
    ("built_for", "gpus", "told"),
    [
        ("None", 0, "9.9, built for the CPU, which is all that grading needs"),
        ("'12.4'", 0, "built for GPUs (12.4); here is no GPU that it can use"),
        ("'12.4'", 2, "here are GPU 0, GPU 1. Submissions are graded on the CPU"),
    ],
)
def test_what_torch_is_built_for_and_finds_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built_for: str, gpus: int, told: str
) -> None:
    """A stand-in for torch, since no machine has all three."""
    (tmp_path / "torch.py").write_text(f"""
from types import SimpleNamespace as N
__version__ = "9.9"
version = N(cuda={built_for})
cuda = N(device_count=lambda: {gpus}, is_available=lambda: {gpus} > 0,
         get_device_name=lambda number: f"GPU {{number}}")
ones = lambda *a, **b: N(sum=lambda: N(backward=lambda: print("a warning")))
""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = only(python.torch())
    assert check.state == "ok" and told in check.found


# The machine


def test_memory_is_compared_with_what_submissions_may_use(root: Path) -> None:
    with (root / "nbgrader_config.py").open("a") as config:
        config.write("c.Jail.memory_mib = 64\n")
    assert only(machine.memory(root)).state == "ok"
    with (root / "nbgrader_config.py").open("a") as config:
        config.write("c.Jail.memory_mib = 100_000_000\n")
    check = only(machine.memory(root))
    assert check.state == "failed" and "--jobs 1" in check.mend


def test_a_disk_that_is_nearly_full_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CALM_DISK", 2**62)
    assert only(machine.disk(tmp_path)).state == "warning"
    monkeypatch.setattr(machine, "_LEAST_DISK", 2**62)
    check = only(machine.disk(tmp_path))
    assert check.state == "failed" and f"free at {tmp_path}" in check.found


def test_a_folder_for_temporary_files_that_cannot_be_written_to_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    check = only(machine.temporary())
    assert check.state == "failed" and "TMPDIR" in check.mend


def test_a_time_zone_that_counts_as_utc_unasked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Macondo")
    check = only(machine.clock())
    assert check.state == "warning" and "America/Macondo" in check.found
    monkeypatch.delenv("TZ")
    assert only(machine.clock()).state == "ok"


# Jupyter


@pytest.fixture
def jupyter_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of Jupyter's that come before all others."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "config"))
    yield tmp_path


def test_jupyter_finds_the_kernel_and_nbgrader() -> None:
    looks = (jupyter.kernel, jupyter.server_extensions, jupyter.lab_extension)
    assert [check.state for look in looks for check in look()] == ["ok"] * 3


def make_kernel(jupyter_folders: Path, program: str) -> None:
    folder = jupyter_folders / "data/kernels/python3"
    folder.mkdir(parents=True)
    facts = {"argv": [program, "-m", "ipykernel"], "display_name": "P", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(facts))


@pytest.mark.parametrize("program", ["python", "python3", sys.executable])
def test_a_kernel_of_the_python_that_jupyter_runs_in_is_well(
    jupyter_folders: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Jupyter puts its own Python in the place of the bare name, also where PATH has none."""
    make_kernel(jupyter_folders, program)
    monkeypatch.setenv("PATH", str(jupyter_folders))
    assert only(jupyter.kernel()).state == "ok"


def test_a_kernel_whose_python_has_gone_is_found(jupyter_folders: Path) -> None:
    """Grading does without it; only people who open notebooks need it."""
    make_kernel(jupyter_folders, "/gone/python")
    check = only(jupyter.kernel())
    assert check.state == "warning" and "/gone/python" in check.found


@pytest.mark.parametrize("damaged", [False, True])
def test_the_mend_of_a_kernel_mends_it(jupyter_folders: Path, damaged: bool) -> None:
    """Another kernel installed for this Python would not: this one comes first."""
    make_kernel(jupyter_folders, "/gone/python")
    folder = jupyter_folders / "data/kernels/python3"
    if damaged:
        (folder / "kernel.json").write_text("no JSON")
    check = only(jupyter.kernel())
    assert check.state == "warning" and check.mend.startswith(f"move {folder} away")
    folder.rename(jupyter_folders / "away")
    assert only(jupyter.kernel()).state == "ok"


def test_pages_of_nbgrader_that_are_switched_off_are_found(jupyter_folders: Path) -> None:
    folder = jupyter_folders / "config/jupyter_server_config.d"
    folder.mkdir(parents=True)
    off = {"nbgrader.server_extensions.formgrader": False}
    (folder / "zz.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": off}}))
    check = only(jupyter.server_extensions())
    assert check.state == "warning" and check.found == "not enabled: formgrader"
    assert check.mend.startswith("jupyter server extension enable")


@pytest.mark.parametrize("name", ["@jupyter/nbgrader", "@jupyter/nbgrader:course-list"])
def test_a_lab_without_nbgrader_is_found(jupyter_folders: Path, name: str) -> None:
    folder = jupyter_folders / "config/labconfig"
    folder.mkdir(parents=True)
    (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": {name: True}}))
    check = only(jupyter.lab_extension())
    assert check.state == "warning" and check.found == f"disabled: {name}"
    assert check.mend == f"jupyter labextension enable {name}"


# The command


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    """What the command says outside a course."""
    folder = tmp_path_factory.mktemp("outside")
    command = [sys.executable, "-m", "autograder", "--course", str(folder), "doctor", "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_script_gets_every_check_and_the_status_says_whether_one_failed(
    examined: "subprocess.CompletedProcess[str]",
) -> None:
    document = json.loads(examined.stdout)
    assert_as_documented("doctor", document)
    checks = document["checks"]
    failed = [check for check in checks if check["state"] == "failed"]
    assert document["ok"] == (not failed)
    assert examined.returncode == bool(failed), examined.stderr
    assert all(check["mend"] for check in failed), failed
    assert list(dict.fromkeys(check["area"] for check in checks)) == [
        "Python", "machine", "Jupyter", "course", "walls around a submission",
    ]  # fmt: skip


def test_a_look_that_fails_hides_no_other() -> None:
    def broken() -> Iterator[Check]:
        yield Check("first", "ok", "here")
        raise ValueError("it is broken")

    first, second = safely("thing", broken)
    assert (first.name, second.name, second.state) == ("first", "thing", "failed")
    assert "it is broken" in second.found


def test_where_packages_are_missing_the_doctor_still_comes(tmp_path: Path) -> None:
    """An import of nbgrader or torch that fails, as where a package is missing."""
    for name in ("nbgrader", "torch", "jupyter_client", "packaging"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name='{name}')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    (tmp_path / "nbgrader_config.py").write_text("")
    program = [sys.executable, "-m", "autograder", "--course", str(tmp_path)]
    done = subprocess.run(
        [*program, "doctor"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "not all is well" in done.stderr
    lines = done.stdout.splitlines()
    assert any(re.match(r"✘  packages +could not be looked at", line) for line in lines)
    assert any(re.match(r"✘  torch +does not run", line) for line in lines)
    assert any(re.match(r"✘  course +could not be looked at", line) for line in lines)
    refused = subprocess.run(
        [*program, "grade"], capture_output=True, text=True, env=environment, check=False
    )
    assert (refused.returncode, refused.stderr) == (
        1,
        "autograder: the package 'nbgrader' is not installed: `autograder doctor` says how to mend "
        "that\n",
    )


@pytest.mark.parametrize("name", ["click", "rich"])
def test_without_what_the_command_line_is_made_of_it_says_how_to_get_it(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name='{name}')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    program = [sys.executable, "-m", "autograder", "doctor"]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"autograder: the package '{name}' is not installed: pip install {name}\n",
    )
