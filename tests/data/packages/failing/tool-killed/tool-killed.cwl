# The tool is killed, as the system does when memory runs out.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: tool-killed
    inputs: {}
    outputs:
      result: {type: File, outputSource: run/result}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [result]

  - class: CommandLineTool
    id: tool
    requirements: {}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, -c, 'echo "reading all tiles" >&2; kill -9 $$']
    stdout: result.txt
    inputs: {}
    outputs:
      result: stdout
