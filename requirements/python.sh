#!/bin/sh
# Ensures that PYTHON (default: python3) exists, is new enough and can create virtual environments.
# As root on Debian, what is missing is installed, and reported; elsewhere the message says what to install.
set -eu
PYTHON=${PYTHON:-python3}

say() { echo "environment: $*"; }
install() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "$1 is missing: installing the Debian packages $2"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # one word per package is meant
    { apt-get update && apt-get install --yes --no-install-recommends $2; } >/tmp/zoo-runner-apt.log 2>&1 || {
      tail -n 5 /tmp/zoo-runner-apt.log >&2
      say "apt-get could not install $2; its last lines are above" >&2
      exit 1
    }
  else
    say "$1 is missing; install it (on Debian: apt-get install $2) and start again" >&2
    exit 1
  fi
}

command -v "$PYTHON" >/dev/null || install "$PYTHON" "python3 python3-venv"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  say "$PYTHON is $("$PYTHON" -V 2>&1), and Python 3.10 or newer is needed; name one with: make PYTHON=python3.10 ..." >&2
  exit 1
}
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || install "Python's venv module" python3-venv
