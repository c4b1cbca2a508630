# An expression uses a name that does not exist.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: expression
    requirements:
      InlineJavascriptRequirement: {}
      StepInputExpressionRequirement: {}
    inputs: {}
    outputs:
      text: {type: File, outputSource: run/text}
    steps:
      run:
        run: "#tool"
        in:
          message: {valueFrom: "$(scene.title)"}
        out: [text]

  - class: CommandLineTool
    id: tool
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: echo
    stdout: text.txt
    inputs:
      message: {type: string, inputBinding: {}}
    outputs:
      text: stdout
