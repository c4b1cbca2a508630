# The folder that the tool leaves holds a link to a file of the machine that it ran on.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: leads-outside
    inputs: {}
    outputs:
      results: {type: Directory, outputSource: run/results}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [results]

  - class: CommandLineTool
    id: tool
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, -c, 'mkdir results; ln -s /etc/passwd results/leak.txt']
    inputs: {}
    outputs:
      results: {type: Directory, outputBinding: {glob: results}}
