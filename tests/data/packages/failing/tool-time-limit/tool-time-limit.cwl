# The tool takes longer than the package allows.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: tool-time-limit
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
    requirements: {ToolTimeLimit: {timelimit: 1}}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sleep, "300"]
    stdout: result.txt
    inputs: {}
    outputs:
      result: stdout
