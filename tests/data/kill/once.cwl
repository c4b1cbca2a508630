cwlVersion: v1.2
$graph:
  - class: Workflow
    id: once
    label: Once
    doc: Writes down that it ran
    inputs:
      ran: string
    outputs:
      out:
        type: File
        outputSource: write/out
    steps:
      write:
        run: "#write"
        in:
          ran: ran
        out: [out]
  - class: CommandLineTool
    id: write
    baseCommand: [sh, -c, 'echo ran >> "$0"; echo once > out.txt']
    inputs:
      ran:
        type: string
        inputBinding:
          position: 1
    outputs:
      out:
        type: File
        outputBinding:
          glob: out.txt
