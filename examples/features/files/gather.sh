set -eu
# The final slash matters: an engine may stage a folder as a link to it.
mkdir copy
cp -R -L "$2/." copy/
cp "$1" copy/
find copy -type f | LC_ALL=C sort > list.txt
sha256sum list.txt > list.txt.sha256
