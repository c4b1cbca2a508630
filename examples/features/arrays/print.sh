set -eu
for argument in "$@"; do
  case "$argument" in
    --*) echo "$argument" ;;
    *) head -n 1 "$argument"; cp "$argument" "`basename "$argument"`.copy" ;;
  esac
done
