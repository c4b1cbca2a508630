# Scatter over a workflow within the workflow, which inherits what the outer one requires; CWL v1.1.
cwlVersion: v1.1
$graph:
  - class: Workflow
    id: nested
    requirements:
      SubworkflowFeatureRequirement: {}
      ScatterFeatureRequirement: {}
      EnvVarRequirement:
        envDef: {MARK: '#'}
    inputs: {words: 'string[]'}
    outputs:
      lines: {type: 'File[]', outputSource: inner/line}
    steps:
      inner:
        run: "#inner"
        scatter: word
        in: {word: words}
        out: [line]

  - class: Workflow
    id: inner
    inputs: {word: string}
    outputs:
      line: {type: File, outputSource: twice/line}
    steps:
      once:
        run: "#mark"
        in: {word: word}
        out: [line, text]
      twice:
        run: "#mark"
        in: {word: once/text}
        out: [line, text]

  - class: CommandLineTool
    id: mark
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'printf "%s%s" "$MARK" "$0"']
    stdout: line.txt
    inputs:
      word: {type: string, inputBinding: {position: 1}}
    outputs:
      line: stdout
      text:
        type: string
        outputBinding: {glob: line.txt, loadContents: true, outputEval: '$(self[0].contents)'}
