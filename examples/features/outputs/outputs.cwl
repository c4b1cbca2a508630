# Several outputs of several kinds, numbers among them, without JavaScript: the tool writes cwl.output.json.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: outputs
    label: Several outputs
    doc: Gives a string, numbers, a truth value, an array, a record, a null, a file and a folder.
    inputs: {}
    outputs:
      name: {type: string, outputSource: make/name}
      count: {type: int, outputSource: make/count}
      share: {type: double, outputSource: make/share}
      complete: {type: boolean, outputSource: make/complete}
      levels: {type: 'int[]', outputSource: make/levels}
      nothing: {type: string?, outputSource: make/nothing}
      place:
        type:
          type: record
          fields: {longitude: double, latitude: double}
        outputSource: make/place
      report: {type: File, outputSource: make/report}
      folder: {type: Directory, outputSource: make/folder}
      log: {type: File, outputSource: make/log}
    steps:
      make:
        run: "#make"
        in: {}
        out: [name, count, share, complete, levels, nothing, place, report, folder, log]

  - class: CommandLineTool
    id: make
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: make.sh
            entry: {$include: make.sh}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, make.sh]
    inputs: {}
    outputs:
      name: string
      count: int
      share: double
      complete: boolean
      levels: int[]
      nothing: string?
      place:
        type:
          type: record
          fields: {longitude: double, latitude: double}
      report: File
      folder: Directory
      log: File
