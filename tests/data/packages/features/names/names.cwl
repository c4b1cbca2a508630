# Files whose names real products have: spaces, brackets, signs, letters beyond ASCII; in, through a step, and out.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: names
    inputs:
      scenes: File[]
    outputs:
      copies: {type: 'File[]', outputSource: copy/copies}
    steps:
      copy:
        run: "#copy-all"
        in: {scenes: scenes}
        out: [copies]

  - class: CommandLineTool
    id: copy-all
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [cp, --target-directory, .]
    inputs:
      scenes: {type: 'File[]', inputBinding: {position: 1}}
    outputs:
      copies: {type: 'File[]', outputBinding: {glob: '*.txt'}}
