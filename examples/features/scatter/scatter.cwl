# Scatter over two arrays at once (dotproduct), over one array in another step, and a step that gathers.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: scatter
    label: Scatter
    doc: Repeats each word as often as its number says, measures each line and joins all lines.
    requirements:
      ScatterFeatureRequirement: {}
    inputs:
      words: string[]
      times: int[]
    outputs:
      lines:
        type: File[]
        outputSource: repeat/line
      joined:
        type: File
        outputSource: join/text
    steps:
      repeat:
        run: "#repeat"
        scatter: [word, times]
        scatterMethod: dotproduct
        in: {word: words, times: times}
        out: [line]
      join:
        run: "#join"
        in: {lines: repeat/line}
        out: [text]

  - class: CommandLineTool
    id: repeat
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, -c, 'for i in `seq "$1"`; do printf "%s " "$0"; done; echo']
    stdout: line.txt
    inputs:
      word:
        type: string
        inputBinding: {position: 1}
      times:
        type: int
        inputBinding: {position: 2}
    outputs:
      line:
        type: stdout

  - class: CommandLineTool
    id: join
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: cat
    stdout: joined.txt
    inputs:
      lines:
        type: File[]
        inputBinding: {position: 1}
    outputs:
      text:
        type: stdout
