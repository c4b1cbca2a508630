# The tool succeeds, but its output pattern matches none of the files it wrote.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: glob-nothing
    inputs: {}
    outputs:
      text: {type: File, outputSource: run/text}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [text]

  - class: CommandLineTool
    id: tool
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [touch, result.txt]
    inputs: {}
    outputs:
      text:
        type: File
        outputBinding: {glob: "*.tif"}
