cwlVersion: v1.2
class: CommandLineTool
id: ticking
doc: Prints a line ten times a second, for five seconds.
baseCommand: [sh, -c]
arguments: ['seq 50 | while read number; do echo "line $number"; sleep 0.1; done']
inputs: {}
outputs: {}
