"""Completion of commands and options by the shell."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_ZOO_RUNNER_COMPLETE"


def add_completion(cli: click.Group) -> None:
    """Add the command to the command line."""

    @cli.command()
    @click.argument("shell", type=click.Choice(SHELLS))
    def completion(shell: str) -> None:
        """Print the completion script of a shell.

        \b
        Use it in this shell:
          eval "$(zoo-runner completion bash)"
        In every shell from now on:
          zoo-runner completion bash > ~/.local/share/bash-completion/completions/zoo-runner
          zoo-runner completion zsh > "${fpath[1]}/_zoo-runner"
          zoo-runner completion fish > ~/.config/fish/completions/zoo-runner.fish
        """
        kind = get_completion_class(shell)
        assert kind is not None  # one of SHELLS
        click.echo(kind(cli, {}, "zoo-runner", _VARIABLE).source())
