# The tool writes to a disk without space: /dev/full is one.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: disk-full
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
    baseCommand: [cp, /etc/passwd, /dev/full]
    stdout: result.txt
    inputs: {}
    outputs:
      result: stdout
