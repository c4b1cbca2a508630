# Takes an input of each kind that a kernel hands over, and writes down what it got.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: kinds
    label: Kinds
    doc: Writes down what it got.
    inputs:
      text: {type: string, label: Text, doc: A text.}
      whole: {type: int, label: Whole, doc: A whole number.}
      large: {type: "long?", label: Large, doc: A large whole number.}
      real: {type: double, label: Real, doc: A number.}
      flag: {type: boolean, label: Flag, doc: Yes or no.}
      color: {type: {type: enum, symbols: [red, green]}, label: Color, doc: One of two.}
      words: {type: "string[]", label: Words, doc: Some words.}
      numbers: {type: "int[]?", label: Numbers, doc: Some numbers.}
      usual: {type: string, default: as usual, label: Usual, doc: Has a default.}
      perhaps: {type: "string?", label: Perhaps, doc: May be missing.}
      note: {type: "File?", label: Note, doc: A file.}
      notes: {type: "File[]?", label: Notes, doc: Some files.}
    outputs:
      given: {type: File, outputSource: write/given, label: Given, doc: What was given.}
    steps:
      write:
        run: "#write"
        in:
          text: text
          whole: whole
          large: large
          real: real
          flag: flag
          color: color
          words: words
          numbers: numbers
          usual: usual
          perhaps: perhaps
          note: note
          notes: notes
        out: [given]

  - class: CommandLineTool
    id: write
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: given.json
            entry: $(inputs)
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: "true"
    inputs:
      text: string
      whole: int
      large: long?
      real: double
      flag: boolean
      color: {type: {type: enum, symbols: [red, green]}}
      words: string[]
      numbers: int[]?
      usual: string
      perhaps: string?
      note: File?
      notes: File[]?
    outputs:
      given: {type: File, outputBinding: {glob: given.json}}
