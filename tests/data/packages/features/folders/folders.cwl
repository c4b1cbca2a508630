# Inputs as tools find them: real files in real folders, whether staged in, made by a step or put together.
cwlVersion: v1.1
$graph:
  - class: Workflow
    id: folders
    inputs:
      folder: Directory
      note: File
    outputs:
      found: {type: File, outputSource: look/found}
      made: {type: Directory, outputSource: make/made}
      again: {type: File, outputSource: look-again/found}
    steps:
      look:
        run: "#look"
        in: {folder: folder, note: note}
        out: [found]
      make:
        run: "#make"
        in: {folder: folder}
        out: [made]
      look-again:
        run: "#look"
        in: {folder: make/made, note: note}
        out: [found]

  - class: CommandLineTool
    id: look
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: look.sh
            entry: |
              cd "$1"
              find . -type f | sort
              find . -type l | sort
              test "\$(realpath .)" = "\$(pwd)" && echo real folder
              test "\$(realpath "$2")" = "$2" && echo real file
              tar -cf - . | tar -tvf - | grep -c '^-'
          - entry: $(inputs.folder)
            entryname: here
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, look.sh]
    stdout: found.txt
    inputs:
      folder: {type: Directory, inputBinding: {position: 1}}
      note: {type: File, inputBinding: {position: 2}}
    outputs: {found: stdout}

  - class: CommandLineTool
    id: make
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'mkdir -p made/empty made/deep; cp "$0/a.txt" made; cp "$0/a.txt" made/deep/b.txt']
    inputs:
      folder: {type: Directory, inputBinding: {position: 1}}
    outputs:
      made: {type: Directory, outputBinding: {glob: made}}
