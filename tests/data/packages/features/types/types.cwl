# Named types, records in and out, arrays of arrays, secondary files both ways, formats that are checked; CWL v1.0.
cwlVersion: v1.0
$namespaces: {edam: 'http://edamontology.org/'}
$graph:
  - class: Workflow
    id: types
    requirements:
      SchemaDefRequirement: {types: [{$import: named.yml}]}
    inputs:
      place: {type: 'named.yml#place'}
      size: {type: 'named.yml#size'}
      matrix: {type: {type: array, items: {type: array, items: int}}}
      table: {type: File, format: edam:format_3752, secondaryFiles: [.idx]}
    outputs:
      line: {type: File, outputSource: show/line}
      made: {type: {type: record, fields: {name: string, file: File}}, outputSource: make/place}
      copy: {type: File, secondaryFiles: [.idx], outputSource: show/copy}
    steps:
      show:
        run: "#show"
        in: {place: place, size: size, matrix: matrix, table: table}
        out: [line, copy]
      make:
        run: "#make"
        in: []
        out: [place]

  - class: CommandLineTool
    id: show
    requirements:
      SchemaDefRequirement: {types: [{$import: named.yml}]}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'cat "$0" "$0.idx"; cp "$0" copy.csv; cp "$0.idx" copy.csv.idx; echo "$@"']
    stdout: line.txt
    inputs:
      place: {type: 'named.yml#place', inputBinding: {position: 2}}
      size: {type: 'named.yml#size', inputBinding: {position: 3}}
      matrix:
        type:
          type: array
          inputBinding: {prefix: --row}
          items: {type: array, items: int}
        inputBinding: {position: 4}
      table: {type: File, format: edam:format_3752, secondaryFiles: [.idx], inputBinding: {position: 1}}
    outputs:
      line: stdout
      copy: {type: File, secondaryFiles: [.idx], format: edam:format_3752, outputBinding: {glob: copy.csv}}

  - class: CommandLineTool
    id: make
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'printf x > file.txt']
    inputs: []
    outputs:
      place:
        type:
          type: record
          fields:
            name: {type: string, outputBinding: {outputEval: Beetzsee}}
            file: {type: File, outputBinding: {glob: file.txt}}
