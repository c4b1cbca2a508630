"""What a workflow needs of a cluster, read from its templates."""

from zoo_runner.engines.kubernetes.scheduling import judge_unschedulable
from zoo_runner.hera.needs import list_needs

WORKFLOW = {
    "metadata": {"generateName": "count-"},
    "spec": {
        "serviceAccountName": "runner",
        "imagePullSecrets": [{"name": "registry"}],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "any", "persistentVolumeClaim": {"claimName": "{{workflow.parameters.claim}}"}},
            {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "maybe", "configMap": {"name": "maybe", "optional": True}},
        ],
        "templates": [
            {"name": "all", "dag": {"tasks": []}},
            {
                "name": "work",
                "container": {
                    "image": "tool:1",
                    "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "proxies", "key": "A"}}}],
                    "envFrom": [{"secretRef": {"name": "login"}}],
                    "resources": {"requests": {"cpu": "900"}, "limits": {"memory": "1Gi"}},
                },
                "sidecars": [{"image": "{{inputs.parameters.image}}"}],
            },
            {"name": "set", "containerSet": {"containers": [{"image": "tool:1"}, {"image": "tool:2"}]}},
        ],
    },
}
NODE = {"metadata": {"name": "node"}, "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}}


def test_images_volumes_and_objects_are_listed_without_those_that_parameters_decide() -> None:
    needs = list_needs(WORKFLOW)
    assert needs.images == {"tool:1": "work", "tool:2": "set"}
    assert (needs.claims, needs.configmaps, needs.secrets) == (("data",), ("proxies",), ("keys", "login"))
    assert (needs.account, needs.pull_secrets) == ("runner", ({"name": "registry"},))


def test_a_pod_that_fits_no_node_is_named_by_its_template() -> None:
    large, small = list_needs(WORKFLOW).pods
    failure = judge_unschedulable(large, "", [NODE])
    assert failure
    assert "'work'" in failure.diagnosis.cause
    assert failure.diagnosis.code == "cluster.unschedulable"
    assert judge_unschedulable(small, "", [NODE]) is None


def test_a_workflow_without_templates_needs_nothing() -> None:
    assert list_needs({"spec": {"workflowTemplateRef": {"name": "x"}}}).images == {}
