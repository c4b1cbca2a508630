# Fills 200 MiB of memory, within its limit, so that there is something to measure.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: used
    inputs: {}
    outputs:
      length: {type: File, outputSource: fill/length}
    steps:
      fill: {run: '#filler', in: {}, out: [length]}

  - class: CommandLineTool
    id: filler
    requirements:
      ResourceRequirement: {ramMin: 64, ramMax: 600}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [perl, -e, 'my $text = "a"; $text x= 209715200; print length $text']
    stdout: length.txt
    inputs: {}
    outputs: {length: stdout}
