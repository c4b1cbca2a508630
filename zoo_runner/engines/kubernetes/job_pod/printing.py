"""The shell script by which a step leaves what it prints on the volume of the job; pure.

A runtime writes each line into a log of its own, and kubelet reads that line by line; it keeps the last 10 MiB of it
for who asks, and loses what is older, read or not: of 2,000,000 lines that a pod prints in 15 s, `kubectl logs -f` has
900,000. So what a step prints goes through a pipe to files of its own on the volume, in numbered parts, which the job
pod reads and removes (`printed`). The first of it goes to the log of the pod as well, for who looks at that meanwhile.
"""

PRINTED_FOLDER = "printed"
"""The folder of the job's volume with what its steps print; each step mounts its own in it."""
PRINTED_MOUNT = "/zoo-runner-printed"
"""Where a step has its own."""
LONGEST_PART_BYTES = 1024 * 32768
"""What a part has at most."""
END = "end"
"""The name of the file that stands for the end of what is printed."""
ENDED = "ended"
"""The name of the file with its exit code, which a container leaves when it ends."""
SHOWN_BYTES = 1 << 20
"""So much is in the log of the pod as well."""
ONLY_HERE = "zoo-runner: the volume of the job takes no more of it: what follows is in the log of this pod alone"
"""The line of that log after which the volume has no more."""
NO_MORE_HERE = "zoo-runner: what follows is in the log of the job alone"

# So much may be there unread, twice, before the tool has to wait for who reads it.
_UNREAD_BYTES = 32 << 20
# A process that the tool has left behind may hold the pipe open without end; its container ends nevertheless.
_LATE_SECONDS = 5

# Programs that nearly every image with a shell has; where one is missing, the tool prints as ever. `dd` writes what it
# has read at once, and counts reads; a pipe has at most 64 KiB for each. The exit code and the end of `keep` come as
# lines to the last part of the pipeline, so that it does not wait for processes that the tool has left behind.
KEEPING = f"""\
keep() {{
  number=0 shown=0 unread=0 begin=0
  while :; do
    if [ $shown -lt {SHOWN_BYTES} ]; then
      dd bs=4096 count=256 2> /dev/null | tee "{PRINTED_MOUNT}/$number" 2> /dev/null || break
      size=$(wc -c < "{PRINTED_MOUNT}/$number") || break
      shown=$((shown + size))
      [ $shown -lt {SHOWN_BYTES} ] || printf '\\n%s\\n' "{NO_MORE_HERE}"
    else
      dd bs=32768 count=1024 2> /dev/null > "{PRINTED_MOUNT}/$number" || break
      size=$(wc -c < "{PRINTED_MOUNT}/$number") || break
    fi
    [ "$size" -gt 0 ] || {{ : > {PRINTED_MOUNT}/{END}; return; }}
    unread=$((unread + size))
    if [ $unread -gt {_UNREAD_BYTES} ]; then
      while [ -e "{PRINTED_MOUNT}/$begin" ]; do sleep 0.1 || sleep 1; done
      begin=$number unread=0
    fi
    number=$((number + 1))
  done 2> /dev/null
  echo "{ONLY_HERE}"
  cat
}}
can_keep() {{
  for program in dd tee wc cat sleep; do command -v $program || return 1; done
  : > {PRINTED_MOUNT}/0
}}
if (can_keep) > /dev/null 2>&1; then
  {{
    {{
      {{
        /bin/sh -c "$@" 4>&- 5>&-
        echo $? >&5
        (sleep {_LATE_SECONDS}; echo late >&5) > /dev/null 2>&1 4>&- &
      }} 2>&1 | {{
        exec 6<&0
        {{ keep <&6 >&4; echo kept >&5; }} &
      }}
    }} 5>&1 >&4 | {{
      read -r code
      read -r kept
      exit "$code"
    }}
  }} 4>&1
  code=$?
else
  [ ! -d {PRINTED_MOUNT} ] || echo "{ONLY_HERE}"
  /bin/sh -c "$@"
  code=$?
fi
"""
