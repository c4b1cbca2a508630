# Takes ten times the memory that it asks for.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: memory
    inputs: {}
    outputs: {}
    steps:
      greedy: {run: '#greedy', in: {}, out: []}

  - class: CommandLineTool
    id: greedy
    requirements:
      ResourceRequirement: {ramMin: 32, ramMax: 32}
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [perl, -e, 'my $text = "a" x 320000000; print length $text']
    inputs: {}
    outputs: {}
