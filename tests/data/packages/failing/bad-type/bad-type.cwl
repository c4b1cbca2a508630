# Invalid CWL: the type "number" is none of CWL's; meant is float or double.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: bad-type
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
    baseCommand: echo
    stdout: message.txt
    inputs:
      message:
        type: string
        inputBinding: {position: 1}
      repeat:
        type: number
    outputs:
      text: stdout
