# Numbers keep the form that cwltool gives them, on command lines, in expressions, and from one step to another.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: numbers
    inputs:
      x: 'double[]'
      own: {type: double, default: 1.23e5}
    outputs:
      first: {type: File, outputSource: first/text}
      second: {type: File, outputSource: second/text}
    steps:
      first:
        run: "#tool"
        in: {x: x, own: own, step: {default: 2.50}}
        out: [text, kept]
      second:
        run: "#tool"
        in: {x: x, own: first/kept, step: {default: 0.00001}}
        out: [text, kept]

  - class: CommandLineTool
    id: tool
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [printf, '%s\n']
    arguments: [{position: 4, valueFrom: "$(inputs.own) of $(inputs.x)"}]
    stdout: text.txt
    inputs:
      x: {type: 'double[]', inputBinding: {position: 1}}
      own: {type: double, inputBinding: {position: 2}}
      step: {type: double, inputBinding: {position: 3}}
    outputs:
      text: stdout
      kept:
        type: double
        outputBinding: {outputEval: '$(inputs.x[0])'}
