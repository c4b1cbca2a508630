# A File and a Directory in, a File with a secondary file and a Directory out.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: files
    label: Files and folders
    doc: Copies the folder, puts the file into the copy, and gives a list of what is in it with a checksum beside it.
    inputs:
      source: File
      folder: Directory
    outputs:
      copy: {type: Directory, outputSource: gather/copy}
      list:
        type: File
        secondaryFiles: [.sha256]
        outputSource: gather/list
    steps:
      gather:
        run: "#gather"
        in: {source: source, folder: folder}
        out: [copy, list]

  - class: CommandLineTool
    id: gather
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: gather.sh
            entry: {$include: gather.sh}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, gather.sh]
    inputs:
      source: {type: File, inputBinding: {position: 1}}
      folder: {type: Directory, inputBinding: {position: 2}}
    outputs:
      copy:
        type: Directory
        outputBinding: {glob: copy}
      list:
        type: File
        secondaryFiles: [.sha256]
        outputBinding: {glob: list.txt}
