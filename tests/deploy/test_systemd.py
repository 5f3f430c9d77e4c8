"""The units: systemd knows their options, and none takes away what the jail is built from."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy import files

NEEDS_ALL = bool(os.environ.get("AUTOGRADER_TESTS_NEED_ALL"))
_EXPOSURE = 27
"""What `systemd-analyze security` may find, in tenths: what the jail needs, and the network."""
_BREAKS_THE_JAIL = (
    "RestrictNamespaces",
    "ProtectControlGroups",
    "MemoryDenyWriteExecute",
    "ProcSubset",
    "RootDirectory",
    "PrivateNetwork",
)


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Ask systemd's own linter."""
    program = shutil.which("systemd-analyze")
    if program is None and not NEEDS_ALL:
        pytest.skip("systemd-analyze is not installed")
    assert program is not None, "systemd-analyze is not installed: apt-get install systemd"
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def _here(name: str, folder: Path, more: str = "") -> str:
    """A unit whose program is one that this machine has."""
    text = (files.SYSTEMD / name).read_text(encoding="utf-8")
    text = text.replace(files.PROGRAM, sys.executable).replace("[Install]", f"{more}\n[Install]")
    unit = folder / name
    unit.write_text(text, encoding="utf-8")
    return str(unit)


@pytest.mark.parametrize("name", files.UNITS)
def test_systemd_knows_every_option_and_value(name: str, tmp_path: Path) -> None:
    done = analyze("verify", _here(name, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("wrong", ["ProtectSystme=strict", "KillMode=gently", "PrivateTmp=perhaps"])
def test_a_slip_would_be_found(wrong: str, tmp_path: Path) -> None:
    done = analyze("verify", _here(files.UNITS[0], tmp_path, wrong))
    assert wrong.partition("=")[0] in done.stderr or wrong.partition("=")[2] in done.stderr


@pytest.mark.parametrize("name", files.UNITS)
def test_little_of_the_machine_is_exposed(name: str) -> None:
    unit = str(files.SYSTEMD / name)
    done = analyze("security", "--offline=true", f"--threshold={_EXPOSURE}", "--no-pager", unit)
    assert done.returncode == 0, done.stdout[-200:]


@pytest.mark.parametrize("name", files.UNITS)
def test_the_jail_has_what_it_is_built_from(name: str) -> None:
    options = files.unit(name)
    assert not [one for one in _BREAKS_THE_JAIL if one in options]
    assert set(options["Delegate"][0].split()) == {"memory", "pids"}
    calls = " ".join(options["SystemCallFilter"]).split()
    assert {"@system-service", "@mount", "landlock_restrict_self", "seccomp"} <= set(calls)
    assert not [one for one in calls if one.startswith("~")]


@pytest.mark.parametrize("name", files.UNITS)
def test_only_the_main_process_is_told_to_end_and_it_gets_time(name: str) -> None:
    """SIGTERM to every process would end submissions that are being graded."""
    options = files.unit(name)
    assert options["KillSignal"] == ["SIGTERM"]
    assert options["KillMode"] == ["mixed"]
    assert options["OOMPolicy"] == ["continue"]  # a submission's end is not the service's
    assert "TimeoutStopSec" in options


def test_both_services_are_hardened_alike() -> None:
    serve, worker = (_hardening(name) for name in files.UNITS)
    assert worker and worker == [line for line in serve if not line.startswith("ReadWritePaths=")]


def _hardening(name: str) -> list[str]:
    text = (files.SYSTEMD / name).read_text(encoding="utf-8")
    after = text.partition("# What the two services may do")[2].partition("[Install]")[0]
    return [line for line in after.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", files.UNITS)
def test_what_a_unit_reads_from_the_environment_is_set(name: str) -> None:
    options = files.unit(name)
    (line,) = options["ExecStart"]
    given = {*files.environment(), *({"CACHE_DIRECTORY"} if "CacheDirectory" in options else ())}
    assert set(re.findall(r"\$\{(\w+)\}", line)) <= given
    assert options["EnvironmentFile"] == ["/etc/autograder/autograder.env"]
