"""The corpus in every mode: no attack gains a point, harms another or leaves a trace."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.attacks import model
from tests.attacks.modes import ROOM, available

Records = dict[str, dict[str, dict[str, Any]]]
ATTACKS = [(mode, attack) for mode in model.MODES for _class, attack in model.attacks()
           if mode in attack.modes]  # fmt: skip
PROGRAMS = [(mode, one) for mode in model.MODES for one in model.programs() if mode in one.modes]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """What became of every entry in every mode that this machine can enter."""
    folder = tmp_path_factory.mktemp("attacks")
    running = {}
    for mode in filter(available, model.MODES):
        command = [sys.executable, "-m", "tests.attacks.run", mode, str(folder / mode)]
        running[mode] = subprocess.Popen(
            command, cwd=ROOM, stderr=(folder / f"{mode}.err").open("w")
        )
    found: Records = {}
    for mode, process in running.items():
        status = process.wait(timeout=2400)
        assert status == 0, (mode, status, (folder / f"{mode}.err").read_text()[-3000:])
        lines = (folder / mode).read_text(encoding="utf-8").splitlines()
        found[mode] = dict(json.loads(line) for line in lines)
    return found


def record_of(records: Records, mode: str, name: str) -> dict[str, Any]:
    if mode not in records:
        pytest.skip("only root can be root")
    return records[mode][name]


@pytest.mark.parametrize(
    ("mode", "attack"), ATTACKS, ids=[f"{mode}-{attack.name}" for mode, attack in ATTACKS]
)
def test_an_attack_earns_what_its_answers_earn_and_harms_nobody(
    records: Records, mode: str, attack: model.Attack
) -> None:
    record = record_of(records, mode, attack.name)
    shown = record["outputs"][-1500:]
    assert "ESCAPED" not in record["everything"], shown
    assert model.CANARY not in record["everything"], shown
    assert record["score"] == pytest.approx(attack.score, abs=0.01), (record["statuses"], shown)
    for name, statuses in attack.statuses.items():
        assert record["statuses"][name] in statuses, (record["statuses"], shown)
    assert re.search(attack.says, record["outputs"]), shown
    assert not record["faults"], "an attack made a grader fail"
    assert not record["left"] and not record["reached"]
    assert record["seconds"] < model.LONGEST_SECONDS


@pytest.mark.parametrize(
    ("mode", "attack"), ATTACKS, ids=[f"{mode}-{attack.name}" for mode, attack in ATTACKS]
)
def test_the_next_submission_is_unharmed(records: Records, mode: str, attack: model.Attack) -> None:
    after = record_of(records, mode, attack.name)["next"]
    assert after["score"] == model.FULL, after["outputs"][-1500:]
    assert "ESCAPED" not in after["everything"], after["outputs"][-1500:]
    assert set(after["statuses"].values()) == {"ok"}


@pytest.mark.parametrize(
    ("mode", "program"), PROGRAMS, ids=[f"{mode}-{one.name}" for mode, one in PROGRAMS]
)
def test_an_honest_program_works_or_says_at_once_why_not(
    records: Records, mode: str, program: model.Program
) -> None:
    record = record_of(records, mode, program.name)
    assert record["status"] == program.status, record["outputs"][-1500:]
    assert re.search(program.says, record["outputs"]), record["outputs"][-1500:]


def test_the_corpus_is_large_and_each_entry_has_a_name_of_its_own() -> None:
    names = [attack.name for _class, attack in model.attacks()]
    names += [program.name for program in model.programs()]
    assert len(model.attacks()) >= 100 and len(model.programs()) >= 50
    assert len(set(names)) == len(names)
    assert all(attack.tries.endswith(".") for _class, attack in model.attacks())


def test_the_corpus_runs_as_root_as_a_user_and_without_namespaces() -> None:
    assert {mode for mode, _attack in ATTACKS} == set(model.MODES)
    assert Path(model.CORPUS).is_dir()


def test_the_table_in_the_docs_has_a_row_for_every_class() -> None:
    text = (ROOM / "docs/explanation/isolation.md").read_text(encoding="utf-8")
    for name in (*model.CLASSES, "notebooks"):
        assert f"\n| {name} |" in text, name
