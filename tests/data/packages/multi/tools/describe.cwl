cwlVersion: v1.0
class: CommandLineTool
id: describe
requirements:
  SchemaDefRequirement:
    types:
      - $import: ../types.yml
hints:
  DockerRequirement:
    dockerPull: docker.io/library/debian:bookworm-slim
baseCommand: echo
stdout: description.txt
inputs:
  area:
    type: ../types.yml#area
    inputBinding: {position: 1}
  kind:
    type: ../types.yml#kind
    inputBinding: {position: 2, prefix: --kind}
outputs:
  text:
    type: stdout
