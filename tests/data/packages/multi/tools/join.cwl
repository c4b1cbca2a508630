cwlVersion: v1.0
class: CommandLineTool
id: join
hints:
  DockerRequirement:
    dockerPull: docker.io/library/debian:bookworm-slim
baseCommand: cat
stdout: report.txt
inputs:
  first:
    type: File
    inputBinding: {position: 1}
  second:
    type: File
    inputBinding: {position: 2}
outputs:
  joined:
    type: stdout
