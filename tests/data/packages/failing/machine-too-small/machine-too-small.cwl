# The tool asks for more memory than any machine has.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: machine-too-small
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
    requirements: {ResourceRequirement: {ramMin: 100000000}}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [echo, hello]
    stdout: result.txt
    inputs: {}
    outputs:
      result: stdout
