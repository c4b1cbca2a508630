# Every community type once, imported by the addresses that authors use; none of them is asked.
cwlVersion: v1.2
class: CommandLineTool
id: community
label: Community types
doc: Writes what it is given.
$namespaces:
  s: https://schema.org/
s:softwareVersion: 1.2.3
s:keywords: [types, community]
s:license: https://spdx.org/licenses/Apache-2.0
s:author:
  - class: s:Person
    s:name: Ada Example
    s:email: ada@example.org
requirements:
  SchemaDefRequirement:
    types:
      - $import: https://raw.githubusercontent.com/eoap/schemas/main/string_format.yaml
      - $import: https://raw.githubusercontent.com/eoap/schemas/refs/heads/main/ogc.yaml
      - $import: https://raw.githubusercontent.com/eoap/schemas/refs/tags/0.3.2/geojson.yaml
      - $import: https://github.com/eoap/schemas/raw/main/stac.yaml
baseCommand: echo
inputs:
  from: {type: "https://raw.githubusercontent.com/eoap/schemas/main/string_format.yaml#DateTime"}
  source: {type: "https://raw.githubusercontent.com/eoap/schemas/main/string_format.yaml#URI?"}
  area: {type: "https://raw.githubusercontent.com/eoap/schemas/refs/heads/main/ogc.yaml#BBox"}
  track: {type: "https://raw.githubusercontent.com/eoap/schemas/refs/tags/0.3.2/geojson.yaml#LineString"}
  feature: {type: "https://raw.githubusercontent.com/eoap/schemas/refs/tags/0.3.2/geojson.yaml#Feature"}
  item: {type: "https://github.com/eoap/schemas/raw/main/stac.yaml#Item"}
arguments: [$(inputs.from.value), $(inputs.area.crs), $(inputs.track.type), $(inputs.item.id)]
stdout: given.txt
outputs:
  given: {type: stdout, label: Given, doc: What was given.}
