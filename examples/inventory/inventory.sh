# Lists the files of a folder as CSV: name, bytes and CRC (POSIX cksum).
cd "$1"
find . -type f -exec cksum {} + | sort -k 3 |
  awk 'BEGIN { print "file,bytes,crc" } { print substr($0, index($0, "./") + 2) "," $2 "," $1 }'
