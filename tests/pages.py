"""Writes the pages that come from the code: `python -m tests.pages` (`make docs`); a test keeps them equal to it."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from stagein.settings import SETTINGS as STAGEIN_SETTINGS
from zoo_runner.config.kubernetes import KUBERNETES_SETTINGS
from zoo_runner.config.settings import SETTINGS
from zoo_runner.config.workspace import WORKSPACE_SETTINGS
from zoo_runner.model import errors
from zoo_staging.cloudsettings import build_cloud_settings
from zoo_staging.settings import Setting, build_s3_settings

DOCS = Path(__file__).parents[1] / "docs"
BY = "This page is written by `make docs` from the code, and a test keeps the two equal."
STAGEOUT_SETTINGS = (
    *build_s3_settings("STAGEOUT"),
    *build_cloud_settings("STAGEOUT"),
    Setting("STAGEOUT_OUTPUT", None, "The `stageout` command: destination where --destination names none."),
    Setting("STAGEOUT_PUBLIC_URL", None, "Links read <this>/<key> instead of s3://<bucket>/<key>."),
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
    parts = [
        f"# Settings\n\nEnvironment variables, read once at the start; an empty one counts as unset. {BY}",
        "Options of the command line win over them: `--engine`, `--containers`, `--time-limit`, `--output`.",
        f"## The runner\n\n{_build_table(runner)}",
        f"## The engines on Kubernetes\n\n{_build_table(cluster)}",
        f"## Stage-in\n\nRead by the `stagein` command and every run.\n\n{_build_table(_plain(STAGEIN_SETTINGS))}",
        f"## Stage-out\n\nRead by the `stageout` command and every run.\n\n{_build_table(_plain(STAGEOUT_SETTINGS))}",
        "Secrets among them (keys, tokens, passwords) are masked in all that a job leaves and never reach the steps.",
    ]
    return "\n\n".join(parts) + "\n"


def build_errors_page() -> str:
    """Exit codes and what HTTP clients get, by kind of error."""
    rows = [
        "| exit code | error | what happened | stage | level | HTTP |",
        "|---|---|---|---|---|---|",
        "| 0 | | success | | | |",
    ]
    rows.append("| 1 | | a defect of the runner itself; please report it with the job log | | | 500 |")
    rows += [
        f"| {kind.exit_code} | `{kind.__name__}` | {_first_sentence(kind)} | {kind.stage} | {kind.default_level}"
        f" | {kind.http_status} |"
        for kind in sorted(_find_errors(errors.RunnerError), key=lambda kind: kind.exit_code)
    ]
    levels = (
        "The level says whose move is next: the **user**'s (author of the package or caller), the **engine**'s"
        " operator, or the **platform**'s (cluster, network, stores); the table has the usual one."
        " [failures.md](failures.md) shows each failure that the tests bring about, as printed."
    )
    return (
        "\n\n".join(
            [
                f"# Errors and exit codes\n\n{BY}",
                "\n".join(rows),
                "Exit code 2 is also that of a wrong command line, 130 that of Ctrl-C before there was a job.",
                levels,
            ]
        )
        + "\n"
    )


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
