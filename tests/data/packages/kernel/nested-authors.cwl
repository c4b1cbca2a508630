# Has the authors as a list of objects, which a kernel's deploy service does not read.
cwlVersion: v1.2
$namespaces: {s: "https://schema.org/"}
s:softwareVersion: 1.0.0
s:author:
  - class: s:Person
    s:name: Ada Example
    s:affiliation: {class: s:Organization, s:name: Example Institute}
$graph:
  - class: Workflow
    id: nested-authors
    label: Nested authors
    doc: Has authors with affiliations.
    inputs: {}
    outputs:
      result: {type: File, outputSource: write/result}
    steps:
      write: {run: "#write", in: {}, out: [result]}
  - class: CommandLineTool
    id: write
    baseCommand: [echo, done]
    stdout: done.txt
    inputs: {}
    outputs:
      result: stdout
