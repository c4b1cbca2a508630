# Two workflows, neither called "main": which one to run has to be said.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: first
    inputs: {}
    outputs:
      text: {type: File, outputSource: write/text}
    steps:
      write:
        run: "#write"
        in: {}
        out: [text]

  - class: Workflow
    id: second
    inputs: {}
    outputs:
      text: {type: File, outputSource: write/text}
    steps:
      write:
        run: "#write"
        in: {}
        out: [text]

  - class: CommandLineTool
    id: write
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [echo, hello]
    stdout: text.txt
    inputs: {}
    outputs:
      text: stdout
