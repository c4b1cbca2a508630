# No input and no output: what it does is seen in its log only.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: no-inputs
    label: No inputs, no outputs
    inputs: []
    outputs: []
    steps:
      tell:
        run: "#tell"
        in: []
        out: []

  - class: CommandLineTool
    id: tell
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [echo, nothing to hand in or out]
    inputs: []
    outputs: []
