# The tool's program is not installed anywhere.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: tool-missing
    inputs: {}
    outputs:
      text: {type: File, outputSource: run/text}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [text]

  - class: CommandLineTool
    id: tool
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [no-such-program, --version]
    stdout: text.txt
    inputs: {}
    outputs:
      text: stdout
