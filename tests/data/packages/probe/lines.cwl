# Prints a line when it begins, waits for a line in the named pipe `go`, and prints another.
cwlVersion: v1.2
class: CommandLineTool
id: lines
baseCommand: [sh, -c, 'echo first; read line < "$0"; echo last']
inputs:
  go: {type: string, inputBinding: {position: 1}}
outputs: []
