# JavaScript wherever CWL allows it; contents and listings read into expressions; resources by expression.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: expressions
    requirements:
      InlineJavascriptRequirement: {}
      StepInputExpressionRequirement: {}
    inputs:
      note: {type: File, loadContents: true}
      folder: Directory
    outputs:
      upper: {type: string, outputSource: shout/upper}
      names: {type: 'string[]', outputSource: list/names}
      deep: {type: 'string[]', outputSource: list/deep}
      sum: {type: int, outputSource: add/sum}
      memory: {type: int, outputSource: measure/memory}
      skipped: {type: int?, outputSource: never/sum}
    steps:
      shout:
        run: "#shout"
        in:
          text: {source: note, valueFrom: '$(self.contents.trim() + "!")'}
        out: [upper]
      list:
        run: "#list"
        in: {folder: folder}
        out: [names, deep]
      add:
        run: "#add"
        in: {numbers: {default: [1, 2, 3]}}
        out: [sum]
      never:
        run: "#add"
        when: '${ return inputs.numbers.length > 5; }'
        in: {numbers: {default: [1, 2, 3]}}
        out: [sum]
      measure:
        run: "#measure"
        in: {sum: add/sum}
        out: [memory]

  - class: ExpressionTool
    id: shout
    requirements:
      InlineJavascriptRequirement:
        expressionLib: ['function shout(text) { return text.toUpperCase(); }']
    inputs: {text: string}
    outputs: {upper: string}
    expression: '${ return {upper: shout(inputs.text)}; }'

  - class: ExpressionTool
    id: list
    requirements: {InlineJavascriptRequirement: {}}
    inputs:
      folder: {type: Directory, loadListing: deep_listing}
    outputs: {names: 'string[]', deep: 'string[]'}
    expression: |
      ${
        var names = function (folder) { return folder.listing.map(function (e) { return e.basename; }).sort(); };
        var below = inputs.folder.listing.filter(function (e) { return e.class == "Directory"; });
        return {names: names(inputs.folder), deep: names(below[0])};
      }

  - class: ExpressionTool
    id: add
    requirements: {InlineJavascriptRequirement: {}}
    inputs: {numbers: 'int[]'}
    outputs: {sum: int}
    expression: '${ return {sum: inputs.numbers.reduce(function (a, b) { return a + b; })}; }'

  - class: CommandLineTool
    id: measure
    requirements:
      InlineJavascriptRequirement: {}
      ResourceRequirement: {ramMin: '$(inputs.sum * 10)', coresMin: 1}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: echo
    arguments: ['$(runtime.ram)', '$(runtime.cores)']
    stdout: memory.txt
    inputs: {sum: int}
    outputs:
      memory:
        type: int
        outputBinding:
          glob: memory.txt
          loadContents: true
          outputEval: '$(parseInt(self[0].contents.split(" ")[0]))'
