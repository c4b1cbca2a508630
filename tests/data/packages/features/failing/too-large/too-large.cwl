# A step, two levels down, that no machine is large enough for.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: too-large
    requirements: {SubworkflowFeatureRequirement: {}}
    inputs: {}
    outputs: {}
    steps:
      outer: {run: '#inner', in: {}, out: []}

  - class: Workflow
    id: inner
    inputs: {}
    outputs: {}
    steps:
      small: {run: '#nothing', in: {}, out: []}
      huge:
        run: '#nothing'
        in: {}
        out: []
        requirements:
          ResourceRequirement: {ramMin: 900000000, coresMin: 1}

  - class: CommandLineTool
    id: nothing
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
      ResourceRequirement: {ramMin: 10}
    baseCommand: 'true'
    inputs: {}
    outputs: {}
