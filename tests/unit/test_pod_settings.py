"""What the job pod reads from its environment."""

from pathlib import Path

from zoo_runner.engines.kubernetes.job_pod.pod import load_pod_settings
from zoo_runner.engines.kubernetes.manifests import WORK_FOLDER
from zoo_runner.engines.secret_inputs import find_placeholders

ENVIRON = {
    "PATH": "/bin",
    "HOME": "/root",
    "POD_NAME": "job-1-abc",
    "POD_UID": "uid",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "STAGEIN_AWS_SECRET_ACCESS_KEY": "canary-of-stage-in",
    "STAGEOUT_PUBLIC_URL": "https://results.example",
    "ZOO_RUNNER_SECRET_INPUT_0": "canary-of-the-user",
}


def test_a_pod_takes_its_storage_its_place_and_the_secrets_to_mask() -> None:
    settings = load_pod_settings(ENVIRON)
    assert settings.storage.variables == {"STAGEIN_AWS_SECRET_ACCESS_KEY": "canary-of-stage-in"}
    assert settings.storage.public_url == "https://results.example"
    assert settings.owner == {"name": "job-1-abc", "uid": "uid"}
    assert (settings.api.service_host, settings.api.service_port) == ("10.0.0.1", "443")
    assert set(settings.secrets) == {"canary-of-stage-in", "canary-of-the-user"}
    assert find_placeholders(settings.secret_inputs) == {
        "(secret-ZOO_RUNNER_SECRET_INPUT_0)": "canary-of-the-user",
    }


def test_inputs_of_a_pod_come_from_its_work_folder_or_from_elsewhere_but_never_from_the_image() -> None:
    assert load_pod_settings(ENVIRON).storage.allowed_roots == (Path(WORK_FOLDER),)


def test_what_is_printed_of_the_settings_has_no_credential() -> None:
    assert "canary" not in repr(load_pod_settings(ENVIRON))
