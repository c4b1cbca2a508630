# A step that asks for more cores than there are, by an expression that only the engine can evaluate.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: too-large-later
    inputs: {cores: int}
    outputs: {}
    steps:
      huge: {run: '#nothing', in: {cores: cores}, out: []}

  - class: CommandLineTool
    id: nothing
    requirements:
      ResourceRequirement: {coresMin: $(inputs.cores)}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: 'true'
    inputs: {cores: int}
    outputs: {}
