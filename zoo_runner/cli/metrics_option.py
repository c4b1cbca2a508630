"""The option `--metrics` of commands that go on: where their figures are served."""

import click

_HOST = "127.0.0.1"
_LARGEST_PORT = 65535


def _read(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    try:
        return None if value is None else parse_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


METRICS = click.option(
    "--metrics",
    callback=_read,
    metavar="[HOST:]PORT",
    help="Serve figures for Prometheus at /metrics of this port; without a host, on 127.0.0.1.",
)


def parse_address(given: str) -> tuple[str, int]:
    """Read `PORT` or `HOST:PORT`; without a host, only this machine can connect. Raises `ValueError`.

    >>> parse_address("9464")
    ('127.0.0.1', 9464)
    >>> parse_address("[::]:9464")
    ('::', 9464)
    """
    host, separator, port = given.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST_PORT) or (separator and not host):
        raise ValueError(f"{given!r} is not PORT or HOST:PORT")
    return host.strip("[]") or _HOST, int(port)


def write_metrics_option(address: tuple[str, int] | None) -> list[str]:
    """Write the words of the option, for a program that is started anew.

    >>> write_metrics_option(("127.0.0.1", 9464))
    ['--metrics', '127.0.0.1:9464']
    """
    return [] if address is None else ["--metrics", f"{address[0]}:{address[1]}"]
