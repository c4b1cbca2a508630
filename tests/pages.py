"""Writes the pages that come from the code: `python -m tests.pages` (`make docs`); a test keeps them equal to it."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from stagein.settings import SETTINGS as STAGEIN_SETTINGS
from zoo_runner.config.argo import ARGO_SETTINGS
from zoo_runner.config.identity import IDENTITY_SETTINGS
from zoo_runner.config.kubernetes import KUBERNETES_SETTINGS
from zoo_runner.config.server import SERVER_SETTINGS
from zoo_runner.config.service import SERVICE_DEFAULTS
from zoo_runner.config.settings import SETTINGS
from zoo_runner.config.workspace import WORKSPACE_SETTINGS
from zoo_runner.model import errors
from zoo_runner.model.codes import CODES
from zoo_runner.package.findings import RULE_TEXTS
from zoo_staging.settings import Setting, build_cloud_settings, build_s3_settings

DOCS = Path(__file__).parents[1] / "docs"
BY = "This page is written by `make docs` from the code, and a test keeps the two equal."
_LEVELS = (
    "The level says who can act: the **user** (author of the package or client), the **engine**'s operator, or the"
    " **platform** (cluster, network, stores). The tables have the usual one. [failures.md](failures.md) shows each"
    " failure that the tests cause, as printed."
)
_CODES = (
    "Every diagnosis has one of these codes. A code never changes its meaning; the words of a message may. Programs"
    " should use the code: it is in the text output, in `--format json` (`diagnosis.code`), in the job log, in the job"
    " record and in the status of a ZOO service. Where several inputs are wrong, `diagnosis.problems` has one entry for"
    " each, with its own code and a JSON pointer (RFC 6901) to the value."
)
_FINDINGS = (
    "`zoo-runner validate` reports findings by rule; `--format sarif` has them as `ruleId`. A package that cannot be"
    " loaded is reported with its `package` code from the table above. `best-practice.req-N` is requirement N of the"
    " OGC Best Practice for Earth Observation Application Package (20-089r1)."
)
_SERVICES = (
    "In a ZOO service, `zoo-runner serve` and `worker`, packages and callers are not trusted, and these settings have"
    " another default. Local inputs come from `STAGEIN_ALLOWED_ROOTS` only, unset: from nowhere; and a deployed package"
    " reads no documents outside of its own folder."
)
STAGEOUT_SETTINGS = (
    *build_s3_settings("STAGEOUT"),
    *build_cloud_settings("STAGEOUT"),
    Setting("STAGEOUT_OUTPUT", None, "The `stageout` command: destination where --destination names none."),
    Setting("STAGEOUT_PUBLIC_URL", None, "Links read <this>/<key> instead of s3://<bucket>/<key>."),
    Setting("STAGEOUT_KEEP_EMPTY_FOLDERS", "false", "true: an empty output folder is a result, not an error."),
    Setting("STAGEOUT_MAX_BYTES", None, "Most bytes of the results of one job; unset: no limit."),
    Setting("STAGEOUT_MAX_FILES", None, "Most files of the results of one job; unset: no limit."),
)


def build_settings_page() -> str:
    """Every environment variable with its default and meaning, by who reads it."""
    runner = [
        (f"`{one.metadata['variable']}`", one.default, one.metadata["meaning"])
        for one in (*SETTINGS, *WORKSPACE_SETTINGS)
    ]
    cluster = [
        (", else ".join(f"`{name}`" for name in one.metadata["variables"]), _default(one), one.metadata["meaning"])
        for one in KUBERNETES_SETTINGS
    ]
    argo = [(f"`{one.metadata['variable']}`", one.default, one.metadata["meaning"]) for one in ARGO_SETTINGS]
    server = [(f"`{one.metadata['variable']}`", one.default, one.metadata["meaning"]) for one in SERVER_SETTINGS]
    identity = [(f"`{one.metadata['variable']}`", one.default, one.metadata["meaning"]) for one in IDENTITY_SETTINGS]
    services = "\n".join(f"| `{name}` | `{default}` |" for name, default in SERVICE_DEFAULTS.items())
    parts = [
        f"# Settings\n\nEnvironment variables, read once at the start; an empty one counts as unset. {BY}",
        "Options of the command line win over them: `--engine`, `--containers`, `--time-limit`, `--output`.",
        f"## The runner\n\n{_build_table(runner)}",
        f"## The engines on Kubernetes\n\n{_build_table(cluster)}",
        f"## The engine on Argo Workflows\n\n{_build_table(argo)}",
        f"## The server and its workers\n\nRead by `zoo-runner serve` and `worker`.\n\n{_build_table(server)}",
        f"## Callers of the server\n\nRead by `zoo-runner serve` ([api.md](api.md)).\n\n{_build_table(identity)}",
        f"## Stage-in\n\nRead by the `stagein` command and every run.\n\n{_build_table(_plain(STAGEIN_SETTINGS))}",
        f"## Stage-out\n\nRead by the `stageout` command and every run.\n\n{_build_table(_plain(STAGEOUT_SETTINGS))}",
        f"## Services\n\n{_SERVICES}\n\n| variable | default |\n|---|---|\n{services}",
        "Secrets among them (keys, tokens, passwords) are masked in all that a job leaves and never reach the steps.",
    ]
    return "\n\n".join(parts) + "\n"


def build_errors_page() -> str:
    """Codes of diagnoses; exit codes and what HTTP clients get, by kind of error."""
    rows = [
        "| exit code | error | what happened | stage | level | HTTP |",
        "|---|---|---|---|---|---|",
        "| 0 | | success | | | |",
    ]
    rows.append("| 1 | | an internal error of the runner; please report it with the job log | | | 500 |")
    rows += [
        f"| {kind.exit_code} | `{kind.__name__}` | {_first_sentence(kind)} | {kind.stage}"
        f" | {CODES[kind.default_code].level} | {kind.http_status} |"
        for kind in sorted(_find_errors(errors.RunnerError), key=lambda kind: kind.exit_code)
    ]
    parts = [
        f"# Errors and exit codes\n\n{BY}",
        _LEVELS,
        f"## Codes\n\n{_CODES}",
        _build_codes_table(),
        "## Exit codes",
        "\n".join(rows),
        "Exit code 2 also means a wrong command line, 130 Ctrl-C before the job was created.",
        f"## Findings of `validate`\n\n{_FINDINGS}",
        _build_findings_table(),
    ]
    return "\n\n".join(parts) + "\n"


def _build_codes_table() -> str:
    rows = [f"| `{code.name}` | {code.level} | {code.meaning} | {code.remedy} |" for code in CODES.values()]
    return "\n".join(["| code | level | what happened | what to do |", "|---|---|---|---|", *rows])


def _build_findings_table() -> str:
    rows = [f"| `{rule}` | {text.short} | {text.full} |" for rule, text in RULE_TEXTS.items()]
    return "\n".join(["| code | rule | why |", "|---|---|---|", *rows])


def find_outdated() -> list[str]:
    """Names of the pages that say something else than the code."""
    return [path.name for path, text in _pages() if not path.exists() or path.read_text(encoding="utf-8") != text]


def _pages() -> Iterator[tuple[Path, str]]:
    yield DOCS / "settings.md", build_settings_page()
    yield DOCS / "errors.md", build_errors_page()


def _find_errors(kind: type[errors.RunnerError]) -> Iterator[type[errors.RunnerError]]:
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
        yield from _find_errors(below)


def _first_sentence(kind: type[errors.RunnerError]) -> str:
    return (kind.__doc__ or "").split("\n")[0].rstrip(".")


def _plain(settings: Iterable[Setting]) -> list[tuple[str, Any, str]]:
    return [(f"`{one.variable}`", one.default, one.meaning) for one in settings]


def _default(field: Any) -> Any:
    return None if field.default is MISSING else field.default


def _build_table(rows: Iterable[tuple[str, Any, str]]) -> str:
    lines = [f"| {name} | {_show(default)} | {_escape(meaning)} |" for name, default, meaning in rows]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *lines])


def _show(default: Any) -> str:
    if default in (None, "", (), frozenset()) or default == {}:
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for page, content in _pages():
        page.write_text(content, encoding="utf-8")
        sys.stdout.write(f"docs: {page.relative_to(DOCS.parent)}\n")
