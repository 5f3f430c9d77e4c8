"""The files of ``deploy/``, read as the programs read them that they are for."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
SYSTEMD: Final = DEPLOY / "systemd"
CONTAINER: Final = DEPLOY / "container"
KUBERNETES: Final = DEPLOY / "kubernetes"
CONTAINERFILE: Final = CONTAINER / "Containerfile"
COMPOSE: Final = CONTAINER / "compose.yaml"
ENVIRONMENT: Final = SYSTEMD / "autograder.env"
PROGRAM: Final = "/opt/autograder/bin/autograder"
"""Where the units expect the command."""
UNITS: Final = ("autograder-serve.service", "autograder-worker.service")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::\?[^}]*)?\}|\((\w+)\))")
"""As systemd and Compose write variables, ``${NAME}``, and as Kubernetes does, ``$(NAME)``."""


def unit(name: str) -> dict[str, list[str]]:
    """The options of a unit, without its sections; one may be given more than once."""
    options: dict[str, list[str]] = {}
    for line in (SYSTEMD / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            key, _is, value = line.partition("=")
            options.setdefault(key, []).append(value)
    return options


def environment() -> dict[str, str]:
    """What the example of the file for secrets sets."""
    lines = ENVIRONMENT.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every document for Kubernetes, with its file."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        yield from ((path, one) for one in documents(path))


def pods() -> dict[str, dict[str, Any]]:
    """The specification of each pod, by the name of what makes it."""
    found = {}
    for _path, one in manifests():
        if one["kind"] == "Deployment":
            found[one["metadata"]["name"]] = one["spec"]["template"]["spec"]
        elif one["kind"] == "Pod":
            found[one["metadata"]["name"]] = one["spec"]
    return found


def compose() -> dict[str, Any]:
    """The file for Compose."""
    (found,) = documents(COMPOSE)
    return found


def instructions() -> list[tuple[str, str]]:
    """The instructions of the file for the image, with continued lines joined."""
    text = CONTAINERFILE.read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line]  # type: ignore[misc]


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """The arguments of every ``autograder`` that the files start, and where."""
    for name in UNITS:
        (line,) = unit(name)["ExecStart"]
        program, *arguments = shlex.split(line)
        assert program == PROGRAM, line
        yield name, _filled(arguments, environment() | {"CACHE_DIRECTORY": "/var/cache/worker"})
    of_image = dict(instructions())
    assert json.loads(of_image["ENTRYPOINT"])[-1] == "autograder"
    yield "Containerfile", json.loads(of_image["CMD"])
    for name, service in compose()["services"].items():
        if "command" in service:
            yield f"Compose's {name}", _filled(service["command"], environment())
    for name, pod in pods().items():
        for container in pod["containers"]:
            if "args" in container:
                yield f"the pod {name}", _filled(container["args"], environment())


def _filled(arguments: list[str], values: Mapping[str, str]) -> list[str]:
    """Arguments with what stands for their variables."""
    return [_VARIABLE.sub(lambda found: values[found[1] or found[2]], one) for one in arguments]
