# Prints its environment and those of the processes above it: the launcher, and the supervisor above that.
cwlVersion: v1.2
class: CommandLineTool
id: environ
baseCommand:
  - sh
  - -c
  - |
    launcher=$(awk '/^PPid/ {print $2}' /proc/$$/status)
    supervisor=$(awk '/^PPid/ {print $2}' /proc/$launcher/status)
    echo "tool:"; env
    echo "launcher:"; tr '\0' '\n' < /proc/$launcher/environ
    echo "supervisor:"; tr '\0' '\n' < /proc/$supervisor/environ; tr '\0' ' ' < /proc/$supervisor/cmdline
stdout: environ.txt
inputs: []
outputs:
  text: stdout
