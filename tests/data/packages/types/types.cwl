# Every type of CWL once, as input.
cwlVersion: v1.2
class: CommandLineTool
id: types
requirements:
  SchemaDefRequirement:
    types:
      - $import: named.yml
baseCommand: "true"
inputs:
  flag: boolean
  whole: int
  long: long
  single: float
  double: double
  text: string
  anything: Any
  file: File
  folder: Directory
  named_enum: named.yml#colour
  own_enum: {type: {type: enum, symbols: [up, down]}}
  named_record: named.yml#pair
  own_record: {type: {type: record, fields: [{name: a, type: File}, {name: b, type: "float[]"}]}}
  list: string[]
  nested: {type: {type: array, items: {type: array, items: double}}}
  folders: Directory[]
  optional: int?
  optional_list: string[]?
  either: {type: [int, string]}
  either_or_nothing: {type: ["null", int, string]}
  with_default: {type: int, default: 7}
  with_false: {type: boolean, default: false}
  with_zero: {type: int?, default: 0}
outputs:
  file: {type: File?, outputBinding: {glob: none.txt}}
  files: {type: "File[]", outputBinding: {glob: "*.txt"}}
  folder: {type: Directory, outputBinding: {glob: .}}
