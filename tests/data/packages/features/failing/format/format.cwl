# Hands a file on to a tool that takes another format.
cwlVersion: v1.2
$namespaces: {edam: 'http://edamontology.org/'}
$graph:
  - class: Workflow
    id: format
    inputs: {table: File}
    outputs: {}
    steps:
      read: {run: '#read', in: {table: table}, out: []}

  - class: CommandLineTool
    id: read
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: 'true'
    inputs:
      table: {type: File, format: edam:format_3752}
    outputs: {}
