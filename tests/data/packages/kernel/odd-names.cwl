# Its result has a name that needs percent-encoding, which a kernel's responses do not take well.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: odd-names
    label: Odd names
    doc: Writes a file of an odd name.
    inputs:
      name: {type: string, label: Name, doc: Name of the file.}
    outputs:
      result: {type: File, outputSource: write/result, label: Result, doc: The file.}
    steps:
      write:
        run: "#write"
        in: {name: name}
        out: [result]

  - class: CommandLineTool
    id: write
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: touch
    inputs:
      name: {type: string, inputBinding: {position: 1}}
    outputs:
      result: {type: File, outputBinding: {glob: "*"}}
