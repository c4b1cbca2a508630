# Succeeds, and leaves a daemon behind whose process id it tells into the named pipe `ready`.
cwlVersion: v1.2
class: CommandLineTool
id: daemon
baseCommand: [sh, -c, 'setsid sleep 300 & echo $! > "$0"']
inputs:
  ready: {type: string, inputBinding: {position: 1}}
outputs: []
