# Optional inputs: with a default, without one, null allowed among other types. inputs.yml gives none of them.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: optional
    label: Optional inputs
    doc: Prints those of its inputs that have a value.
    inputs:
      greeting: {type: string, default: Good day}
      name: string?
      count: {type: 'int?', default: 2}
      level: {type: ['null', int, string]}
      loud: boolean?
      source: File?
      folder: Directory?
      names: string[]?
    outputs:
      text: {type: File, outputSource: print/text}
    steps:
      print:
        run: "#print"
        in:
          greeting: greeting
          name: name
          count: count
          level: level
          loud: loud
          source: source
          folder: folder
          names: names
        out: [text]

  - class: CommandLineTool
    id: print
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: echo
    stdout: optional.txt
    inputs:
      greeting: {type: string, inputBinding: {position: 1}}
      name: {type: 'string?', inputBinding: {position: 2, prefix: --name}}
      count: {type: 'int?', inputBinding: {position: 3, prefix: --count}}
      level: {type: ['null', int, string], inputBinding: {position: 4, prefix: --level}}
      loud: {type: 'boolean?', inputBinding: {position: 5, prefix: --loud}}
      source: {type: 'File?', inputBinding: {position: 6, prefix: --source}}
      folder: {type: 'Directory?', inputBinding: {position: 7, prefix: --folder}}
      names: {type: 'string[]?', inputBinding: {position: 8, prefix: --names}}
    outputs:
      text:
        type: stdout
