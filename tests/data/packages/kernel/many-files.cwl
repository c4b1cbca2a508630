# Gives so many files that storing them takes a while.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: many-files
    label: Many files
    doc: Writes many small files.
    inputs:
      count: {type: int, label: Count, doc: How many files to write.}
    outputs:
      result: {type: Directory, outputSource: write/result, label: Result, doc: The files.}
    steps:
      write: {run: "#write", in: {count: count}, out: [result]}
  - class: CommandLineTool
    id: write
    baseCommand: [sh, -c, 'mkdir result; for number in $(seq "$0"); do echo "$number" > "result/$number.txt"; done']
    inputs:
      count: {type: int, inputBinding: {position: 1}}
    outputs:
      result: {type: Directory, outputBinding: {glob: result}}
