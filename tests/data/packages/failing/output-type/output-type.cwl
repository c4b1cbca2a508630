# The tool writes a text where the package promises a number.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: output-type
    inputs: {}
    outputs:
      result: {type: int, outputSource: run/result}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [result]

  - class: CommandLineTool
    id: tool
    requirements: {}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, -c, 'echo "{\"result\": \"many\"}" > cwl.output.json']
    stdout: result.txt
    inputs: {}
    outputs:
      result: int
