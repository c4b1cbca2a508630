# The tool leaves a folder with a link to itself, which whoever follows links never leaves again.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: circular-link
    inputs: {}
    outputs:
      scene: {type: Directory, outputSource: run/scene}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [scene]

  - class: CommandLineTool
    id: tool
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, -c, "mkdir scene && touch scene/red.tif && ln -s latest scene/latest"]
    inputs: {}
    outputs:
      scene: {type: Directory, outputBinding: {glob: scene}}
