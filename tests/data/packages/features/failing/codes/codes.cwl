# Exit codes that the package gives a meaning: 75 fails for now, 3 and 0 fail for good.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: codes
    inputs: {code: int}
    outputs: {}
    steps:
      leave: {run: '#leave', in: {code: code}, out: []}

  - class: CommandLineTool
    id: leave
    temporaryFailCodes: [75]
    permanentFailCodes: [0, 3]
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'echo leaving with $0; exit $0']
    inputs:
      code: {type: int, inputBinding: {position: 1}}
    outputs: {}
