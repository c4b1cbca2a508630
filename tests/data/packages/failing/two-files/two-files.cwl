# The tool leaves two files where the package promises one.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: two-files
    inputs: {}
    outputs:
      picture: {type: File, outputSource: run/picture}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [picture]

  - class: CommandLineTool
    id: tool
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [touch, red.tif, blue.tif]
    inputs: {}
    outputs:
      picture: {type: File, outputBinding: {glob: "*.tif"}}
