# The tool crashes, as compiled programs do.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: tool-crashed
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
    baseCommand: [sh, -c, 'echo "reading band 9" >&2; kill -SEGV $$']
    stdout: result.txt
    inputs: {}
    outputs:
      result: stdout
