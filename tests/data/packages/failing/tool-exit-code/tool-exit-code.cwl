# The tool says why on standard error and ends with exit code 3.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: tool-exit-code
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
    baseCommand: [sh, -c, 'echo "reading scene"; echo "scene has no band red" >&2; exit 3']
    stdout: text.txt
    inputs: {}
    outputs:
      text: stdout
