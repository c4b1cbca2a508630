# Two steps that update one file in place, one after the other; CWL v1.1. The user's own file stays what it was.
cwlVersion: v1.1
$graph:
  - class: Workflow
    id: inplace
    inputs: {note: File}
    outputs:
      updated: {type: File, outputSource: second/updated}
    steps:
      first:
        run: "#append"
        in: {note: note}
        out: [updated]
      second:
        run: "#append"
        in: {note: first/updated}
        out: [updated]

  - class: CommandLineTool
    id: append
    requirements:
      InplaceUpdateRequirement: {inplaceUpdate: true}
      InitialWorkDirRequirement:
        listing:
          - entry: $(inputs.note)
            writable: true
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'echo more >> note.txt']
    inputs: {note: File}
    outputs:
      updated: {type: File, outputBinding: {glob: note.txt}}
