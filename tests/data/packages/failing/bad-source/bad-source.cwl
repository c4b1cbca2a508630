# Invalid CWL: the step takes its message from "mesage", which nothing provides.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: bad-source
    inputs:
      message: string
    outputs:
      text: {type: File, outputSource: write/text}
    steps:
      write:
        run: "#write"
        in: {message: mesage}
        out: [text]

  - class: CommandLineTool
    id: write
    baseCommand: echo
    stdout: message.txt
    inputs:
      message:
        type: string
        inputBinding: {position: 1}
    outputs:
      text: stdout
