# The smallest package: one step, one input, one output. Benchmarks run it to see what everything around it costs.
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:name: Echo
s:softwareVersion: 1.0.0
$graph:
  - class: Workflow
    id: echo
    label: Echo
    doc: Writes the message to a file.
    inputs:
      message:
        label: Message
        type: string
        default: Hello
    outputs:
      text:
        label: Text
        type: File
        outputSource: write/text
    steps:
      write:
        run: "#write"
        in: {message: message}
        out: [text]

  - class: CommandLineTool
    id: write
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    requirements:
      ResourceRequirement: {coresMin: 1, coresMax: 1, ramMin: 64, ramMax: 128}
    baseCommand: echo
    stdout: message.txt
    inputs:
      message:
        type: string
        inputBinding: {position: 1}
    outputs:
      text:
        type: stdout
