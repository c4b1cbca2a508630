# Arrays of every plain kind, an enum among them, and of files; an empty array too.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: arrays
    label: Arrays
    doc: Prints each array on a line of its own, then the first line of each file.
    inputs:
      names: string[]
      counts: int[]
      bbox:
        doc: West, south, east, north in degrees.
        type: double[]
      bands:
        type:
          type: array
          items:
            type: enum
            symbols: [red, nir, swir16]
      files: File[]
      unused:
        type: string[]
        default: []
    outputs:
      text: {type: File, outputSource: print/text}
      copies: {type: 'File[]', outputSource: print/copies}
    steps:
      print:
        run: "#print"
        in: {names: names, counts: counts, bbox: bbox, bands: bands, files: files, unused: unused}
        out: [text, copies]

  - class: CommandLineTool
    id: print
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: print.sh
            entry: {$include: print.sh}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, print.sh]
    stdout: arrays.txt
    inputs:
      names:
        type: string[]
        inputBinding: {position: 1, prefix: --names=, separate: false, itemSeparator: ","}
      counts:
        type: int[]
        inputBinding: {position: 2, prefix: --counts=, separate: false, itemSeparator: ","}
      bbox:
        type: double[]
        inputBinding: {position: 3, prefix: --bbox=, separate: false, itemSeparator: ","}
      bands:
        type:
          type: array
          items:
            type: enum
            symbols: [red, nir, swir16]
        inputBinding: {position: 4, prefix: --bands=, separate: false, itemSeparator: ","}
      unused:
        type: string[]
        inputBinding: {position: 5, prefix: --unused=, separate: false, itemSeparator: ","}
      files:
        type: File[]
        inputBinding: {position: 6}
    outputs:
      text:
        type: stdout
      copies:
        type: File[]
        outputBinding: {glob: "*.copy"}
