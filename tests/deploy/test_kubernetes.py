"""The manifests: they fit Kubernetes' schemas, and agree with each other.

No cluster has seen them: what the files say of that is in ``docs/how-to/deploy.md``.
"""

from collections.abc import Mapping
from typing import Any, Final

import kubernetes_validate
import pytest

from autograder.runner.limits import Limits
from tests.deploy import files

VERSIONS: Final = ("1.33", "1.37")
"""The first and the last of Kubernetes that the manifests are held against."""
_NO_SCHEMA: Final = ("Kustomization", "ScaledObject")
"""Kinds of Kustomize and KEDA, not of Kubernetes itself."""
_APART: Final = {"kustomization", "secret.example", "load", "scale-hpa", "scale-keda"}
"""What is not applied with the rest, and says so."""
MANIFESTS: Final = list(files.manifests())
PODS: Final = files.pods()


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The manifests of a kind, by name."""
    return {one["metadata"]["name"]: one for _path, one in MANIFESTS if one["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "manifest",
    [one for _path, one in MANIFESTS if one["kind"] not in _NO_SCHEMA],
    ids=lambda one: f"{one['kind']}-{one['metadata']['name']}",
)
def test_kubernetes_knows_every_field(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_slip_would_be_found() -> None:
    wrong = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
             "spec": {"containers": [{"name": "x", "imagePullPolicies": "Always"}]}}  # fmt: skip
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_every_manifest_is_applied_but_those_that_say_why_not() -> None:
    (kustomization,) = files.documents(files.KUBERNETES / "kustomization.yaml")
    there = {path.stem for path in files.KUBERNETES.glob("*.yaml")}
    assert {f"{name}.yaml" for name in there - _APART} == set(kustomization["resources"])


@pytest.mark.parametrize("name", PODS)
def test_pods_keep_to_the_restricted_standard(name: str) -> None:
    """As in Kubernetes' Pod Security Standards, which the namespace enforces."""
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not [one for one in ("hostNetwork", "hostPID", "hostIPC") if pod.get(one)]
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"emptyDir", "persistentVolumeClaim"}
    (space,) = files.documents(files.KUBERNETES / "namespace.yaml")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", PODS)
def test_pods_are_given_no_key_to_the_cluster(name: str) -> None:
    assert PODS[name]["automountServiceAccountToken"] is False


def test_a_worker_has_time_to_finish_the_longest_submission() -> None:
    limits = Limits()
    longest = 2 * (limits.submission_seconds + limits.grading_seconds)  # with and without CUDA
    assert PODS["worker"]["terminationGracePeriodSeconds"] > 2 * longest
    assert files.compose()["services"]["worker"]["stop_grace_period"] == "15m"
    assert files.unit("autograder-worker.service")["TimeoutStopSec"] == ["15min"]


def test_a_worker_has_memory_for_all_that_it_grades_at_once() -> None:
    (container,) = PODS["worker"]["containers"]
    (jobs,) = [int(one.removeprefix("--jobs=")) for one in container["args"] if "--jobs" in one]
    needed_mib = 1024 + jobs * (Limits().memory_mib + 512)
    assert int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * 1024 >= needed_mib
    assert int(container["resources"]["requests"]["cpu"]) >= jobs


def test_selectors_choose_what_there_is() -> None:
    labels = [
        one["spec"]["template"]["metadata"]["labels"] for one in of_kind("Deployment").values()
    ]

    def chosen(selector: Mapping[str, str]) -> int:
        return sum(selector.items() <= own.items() for own in labels)

    for kind in ("Deployment", "PodDisruptionBudget"):
        for one in of_kind(kind).values():
            assert chosen(one["spec"]["selector"]["matchLabels"]) == 1
    for one in of_kind("Service").values():
        assert chosen(one["spec"]["selector"]) == 1
    for name, one in of_kind("NetworkPolicy").items():
        all_pods = name == "nothing-by-default"
        assert chosen(one["spec"]["podSelector"].get("matchLabels", {})) == (2 if all_pods else 1)


def test_what_pods_refer_to_is_there() -> None:
    claims, maps, secrets = (
        set(of_kind(kind)) for kind in ("PersistentVolumeClaim", "ConfigMap", "Secret")
    )
    for pod in PODS.values():
        volumes = {one["name"] for one in pod["volumes"]}
        for one in pod["volumes"]:
            assert one.get("persistentVolumeClaim", {}).get("claimName") in {*claims, None}
        for container in pod["containers"]:
            assert {one["name"] for one in container["volumeMounts"]} == volumes
            for variable in container.get("env", ()):
                source = variable.get("valueFrom", {})
                assert source.get("configMapKeyRef", {}).get("name") in {*maps, None}
                assert source.get("secretKeyRef", {}).get("name") in {*secrets, None}


def test_workers_reach_the_database_and_names_and_nothing_else() -> None:
    policies = of_kind("NetworkPolicy")
    closed = policies["nothing-by-default"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    rules = policies["worker"]["spec"]["egress"]
    assert [{port["port"] for port in rule["ports"]} for rule in rules] == [{5432}, {53}]
    assert all(rule["to"] and "ipBlock" not in str(rule["to"]) for rule in rules)


def test_workers_are_scaled_by_what_they_report() -> None:
    (hpa,) = of_kind("HorizontalPodAutoscaler").values()
    (keda,) = of_kind("ScaledObject").values()
    (metric,) = hpa["spec"]["metrics"]
    queries = [one["metadata"]["query"] for one in keda["spec"]["triggers"]]
    used = {metric["external"]["metric"]["name"], *(one[4:-1] for one in queries)}
    assert used == {"autograder_queue_length", "autograder_queue_oldest_seconds"}
    code = "".join(path.read_text("utf-8") for path in files.ROOT.glob("autograder/**/*.py"))
    assert [name for name in sorted(used) if name not in code] == [], "no worker reports it"
    for target in (hpa["spec"]["scaleTargetRef"], keda["spec"]["scaleTargetRef"]):
        assert target["name"] in of_kind("Deployment")


def test_no_password_is_kept_beside_the_manifests() -> None:
    (secret,) = of_kind("Secret").values()
    assert secret["stringData"] == {"password": "change-me"}
