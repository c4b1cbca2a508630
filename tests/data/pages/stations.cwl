cwlVersion: v1.2
$namespaces: {s: https://schema.org/}
s:softwareVersion: 1.0.0
class: Workflow
id: stations
label: Values at stations
doc: Takes the values of a scene at stations, each within its area.
requirements:
  InlineJavascriptRequirement: {}
inputs:
  stations:
    label: Stations
    doc: Where values are taken.
    type:
      type: array
      items:
        type: record
        name: station
        fields:
          name: {type: string, label: Name}
          height: {type: "double?", label: Height, doc: Metres above the sea.}
          kind: {type: {type: enum, symbols: [river, lake]}, label: Kind of water}
          levels: {type: "int[]?", label: Levels}
          scene: {type: "File?", label: Scene of its own}
  method:
    label: Method
    type:
      - "null"
      - type: record
        name: nearest
        fields: {distance: {type: int, label: Distance}}
      - string
  grid:
    label: Grid
    type:
      type: record
      name: grid
      fields:
        width: {type: int, label: Width}
        origin:
          label: Origin
          type:
            - "null"
            - type: record
              name: origin
              fields: {x: double, y: double}
    default: {width: 10}
outputs:
  given: {type: File, outputSource: write/given}
steps:
  write:
    run:
      class: CommandLineTool
      baseCommand: [sh, -c]
      arguments: ['echo "$0"', $(JSON.stringify(inputs))]
      inputs: {stations: Any, method: Any?, grid: Any}
      outputs: {given: stdout}
      stdout: given.json
    in: {stations: stations, method: method, grid: grid}
    out: [given]
