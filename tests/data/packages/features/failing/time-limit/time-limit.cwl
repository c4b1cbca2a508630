# A tool that does not listen when it is told that its time is over.
cwlVersion: v1.1
$graph:
  - class: Workflow
    id: time-limit
    inputs: {}
    outputs: {}
    steps:
      deaf: {run: '#deaf', in: {}, out: []}

  - class: CommandLineTool
    id: deaf
    requirements:
      ToolTimeLimit: {timelimit: 1}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'trap "" TERM; echo I hear nothing; sleep 120 & wait; wait']
    inputs: {}
    outputs: {}
