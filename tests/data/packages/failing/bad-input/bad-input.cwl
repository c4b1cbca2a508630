# A sound package; what is wrong is in the inputs*.yml beside it.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: bad-input
    inputs:
      message: string
      count: int
      index:
        type:
          type: enum
          symbols: [ndvi, evi2]
        default: ndvi
      bands: string[]
    outputs:
      text: {type: File, outputSource: write/text}
    steps:
      write:
        run: "#write"
        in: {message: message, count: count, index: index, bands: bands}
        out: [text]

  - class: CommandLineTool
    id: write
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: echo
    stdout: message.txt
    inputs:
      message: {type: string, inputBinding: {position: 1}}
      count: {type: int, inputBinding: {position: 2}}
      index:
        type:
          type: enum
          symbols: [ndvi, evi2]
        inputBinding: {position: 3}
      bands: {type: 'string[]', inputBinding: {position: 4}}
    outputs:
      text: stdout
