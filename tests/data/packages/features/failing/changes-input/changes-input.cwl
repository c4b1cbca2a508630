# A tool that writes into its input file and into its input folder.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: changes-input
    inputs: {note: File, folder: Directory}
    outputs: {}
    steps:
      careless: {run: '#careless', in: {note: note, folder: folder}, out: []}

  - class: CommandLineTool
    id: careless
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'echo more >> "$0"; rm "$1/a.txt"; echo new > "$1/new.txt"']
    inputs:
      note: {type: File, inputBinding: {position: 1}}
      folder: {type: Directory, inputBinding: {position: 2}}
    outputs: {}
