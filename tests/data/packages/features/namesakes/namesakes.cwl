# Outputs and steps that have the name of an input, as many published packages have them.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: namesakes
    inputs: {note: File, second: string}
    outputs:
      second: {type: File, outputSource: second/note}
    steps:
      note: {run: '#shorten', in: {note: note}, out: [note]}
      second: {run: '#add', in: {note: note/note, word: second}, out: [note]}

  - class: CommandLineTool
    id: add
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'cat "$0" > added.txt; echo "$1" >> added.txt']
    inputs:
      note: {type: File, inputBinding: {position: 1}}
      word: {type: string, inputBinding: {position: 2}}
    outputs:
      note: {type: File, outputBinding: {glob: added.txt}}

  - class: CommandLineTool
    id: shorten
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'head -n 1 "$0" > short.txt']
    inputs:
      note: {type: File, inputBinding: {position: 1}}
    outputs:
      note: {type: File, outputBinding: {glob: short.txt}}
