# Invalid CWL: the field "baseComand" of the tool is misspelt.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: bad-package
    inputs:
      message: string
    outputs:
      text: {type: File, outputSource: write/text}
    steps:
      write:
        run: "#write"
        in: {message: message}
        out: [text]

  - class: CommandLineTool
    id: write
    baseComand: echo
    stdout: message.txt
    inputs:
      message:
        type: string
        inputBinding: {position: 1}
    outputs:
      text: stdout
