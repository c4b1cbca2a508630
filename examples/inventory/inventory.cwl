# An application package that needs nothing but a shell, for a first run.
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:name: Inventory
s:softwareVersion: 1.0.0
s:description: Lists the files of a STAC Item.
$graph:
  - class: Workflow
    id: inventory
    label: Inventory
    doc: Lists the files of a STAC Item, with their sizes and checksums.
    inputs:
      item:
        label: Item
        doc: STAC Item; its assets are staged in.
        type: Directory
    outputs:
      listing:
        label: Files
        doc: A table (CSV) with a line for each file.
        type: File
        outputSource: list/listing
    steps:
      list:
        label: List the files
        run: "#list"
        in: {item: item}
        out: [listing]

  - class: CommandLineTool
    id: list
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: inventory.sh
            entry: {$include: inventory.sh}
      ResourceRequirement: {coresMin: 1, coresMax: 1, ramMin: 64, ramMax: 128}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, inventory.sh]
    stdout: inventory.csv
    inputs:
      item:
        type: Directory
        inputBinding: {position: 1}
    outputs:
      listing:
        type: stdout
