# What a tool finds in its working folder and around it, and what its end means.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: workdir
    inputs:
      note: File
      given: Directory
      tree: Directory
      renamed: File
      name: string
    outputs:
      seen: {type: File, outputSource: look/seen}
      original: {type: File, outputSource: look/original}
      changed: {type: File, outputSource: look/changed}
      grown: {type: Directory, outputSource: look/grown}
      told: {type: File, outputSource: stream/told}
      wrong: {type: File, outputSource: stream/wrong}
    steps:
      look:
        run: "#look"
        in: {note: note, renamed: renamed, given: given, tree: tree, name: name}
        out: [seen, original, changed, grown]
      stream:
        run: "#stream"
        in: {source: look/seen}
        out: [told, wrong]

  - class: CommandLineTool
    id: look
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: look.sh
            entry: |
              cat literal.txt renamed.txt given/deeper.txt
              echo "$GREETING"
              echo more >> $(inputs.note.basename)
              echo more > tree/more.txt
              cat given/note.txt 2>/dev/null || echo not there
          - entryname: literal.txt
            entry: "a literal for $(inputs.name)\n"
          - entryname: renamed.txt
            entry: $(inputs.renamed)
          - entry: $(inputs.note)
            writable: true
          - entryname: given
            entry: $(inputs.given)
          - entryname: tree
            entry: $(inputs.tree)
            writable: true
      EnvVarRequirement:
        envDef: {GREETING: 'good day $(inputs.name)'}
      NetworkAccess: {networkAccess: false}
      WorkReuse: {enableReuse: false}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, look.sh]
    stdout: seen.txt
    inputs: {note: File, renamed: File, given: Directory, tree: Directory, name: string}
    outputs:
      seen: stdout
      original: {type: File, outputBinding: {glob: renamed.txt}}
      changed: {type: File, outputBinding: {glob: '$(inputs.note.basename)'}}
      grown: {type: Directory, outputBinding: {glob: tree}}

  - class: CommandLineTool
    id: stream
    requirements:
      ShellCommandRequirement: {}
      ToolTimeLimit: {timelimit: 60}
      NetworkAccess: {networkAccess: true}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    arguments:
      - {valueFrom: 'wc -l | tr -d " " && echo oops >&2; exit 3', shellQuote: false}
    stdin: $(inputs.source.path)
    stdout: told.txt
    stderr: wrong.txt
    successCodes: [3]
    inputs: {source: File}
    outputs: {told: stdout, wrong: stderr}
