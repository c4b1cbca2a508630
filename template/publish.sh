#!/bin/sh
# Publishes this folder as the root of a git repository, branch main, that ZOO can clone.
# Argument: the path of a bare repository (made when it is not there) or the URL of one; it must end in .git.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-}
case "$to" in
    *.git) ;;
    *) echo "template-repo: '$to' does not end in .git, and ZOO takes no other; try: make template-repo TO=/srv/git/zoo-runner-template.git" >&2; exit 2 ;;
esac
case "$to" in
    *://*|*@*:*) ;;
    *) [ -d "$to" ] || git init -q --bare -b main "$to"; to=$(cd "$to" && pwd) ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git init -q -b main "$work"
cd "$work"
if git ls-remote --exit-code -q --heads "$to" main >/dev/null 2>&1; then
    git fetch -q "$to" main
    git reset -q --soft FETCH_HEAD
fi
cp -R "$here/cookiecutter.json" "$here/zoo_runner_process_ids.py" "$here/README.md" "$here/{{cookiecutter.service_name}}" .
find . -name __pycache__ -prune -exec rm -rf {} +
git add -A -f
if git rev-parse -q --verify HEAD >/dev/null && git diff --cached --quiet; then
    echo "template-repo: $to is up to date"
    exit 0
fi
git -c user.name=zoo-runner -c user.email=zoo-runner@localhost commit -q -m "Publish the service template"
git push -q "$to" HEAD:main
echo "template-repo: published $(git rev-parse --short HEAD) to $to"
