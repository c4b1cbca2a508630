# A single tool as the package, of CWL v1.0, which says its outputs in cwl.output.json.
cwlVersion: v1.0
class: CommandLineTool
id: tool
hints:
  DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
baseCommand: [sh, -c]
arguments:
  - 'printf hello > hello.txt; printf "{\"number\": %s, \"file\": {\"class\": \"File\", \"path\": \"hello.txt\"}, \"list\": [[1], [2, 3]]}" "$0" > cwl.output.json'
inputs:
  count: {type: int, inputBinding: {position: 1}}
outputs:
  number: int
  file: File
  list: {type: {type: array, items: {type: array, items: int}}}
