# CWL v1.0 over several files: tools in files of their own, types in another, and metadata with a schema that
# cannot be reached, as it happens when a package is opened without a network.
cwlVersion: v1.0
class: Workflow
id: multi
label: Several files
doc: Describes an area and joins the description with a note.
$namespaces:
  s: https://schema.org/
$schemas:
  - http://127.0.0.1:1/schemaorg-current-https.rdf
s:name: Several files
s:softwareVersion: 0.3.1
s:codeRepository: https://example.org/several-files
s:author:
  - class: s:Person
    s:name: Ada Example
    s:email: ada@example.org
s:contributor:
  - class: s:Person
    s:name: Bo Example
requirements:
  SchemaDefRequirement:
    types:
      - $import: types.yml
inputs:
  area:
    label: Area
    type: types.yml#area
  kind:
    label: Kind
    type: types.yml#kind
  note:
    label: Note
    type: File
outputs:
  report:
    type: File
    outputSource: join/joined
steps:
  describe:
    run: tools/describe.cwl
    in:
      area: area
      kind: kind
    out: [text]
  join:
    run: tools/join.cwl
    in:
      first: describe/text
      second: note
    out: [joined]
