# A sound package whose input names an address where nothing answers.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: source-not-found
    inputs:
      item: Directory
    outputs:
      list: {type: File, outputSource: look/list}
    steps:
      look:
        run: "#ls"
        in: {item: item}
        out: [list]

  - class: CommandLineTool
    id: ls
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: ls
    stdout: list.txt
    inputs:
      item: {type: Directory, inputBinding: {position: 1}}
    outputs:
      list: stdout
