# Gives a file that is no text, as pictures and rasters are.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: picture
    label: Picture
    doc: Writes a file that is no text.
    inputs: {}
    outputs:
      result: {type: File, outputSource: write/result, label: Result, doc: The picture.}
    steps:
      write: {run: "#write", in: {}, out: [result]}
  - class: CommandLineTool
    id: write
    baseCommand: [printf, '\211PNG\377']
    stdout: picture.png
    inputs: {}
    outputs:
      result: stdout
