# Sleeps long enough to be cancelled or to meet a time limit. What sleeps is a grandchild of the step's own process,
# so that a stop which ends only the first process leaves something behind.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: slow
    inputs:
      seconds:
        type: int
        default: 300
    outputs:
      text: {type: File, outputSource: sleep/text}
    steps:
      sleep:
        run: "#sleep-long"
        in: {seconds: seconds}
        out: [text]

  - class: CommandLineTool
    id: sleep-long
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
      # little, so that it takes no core from what runs beside it
      ResourceRequirement:
        coresMin: 0.1
    baseCommand: [sh, -c, 'sh -c "sleep $0; true" & echo "sleeping $0 s" >&2; wait; echo awake']
    stdout: text.txt
    inputs:
      seconds: {type: int, inputBinding: {position: 1}}
    outputs:
      text: stdout
