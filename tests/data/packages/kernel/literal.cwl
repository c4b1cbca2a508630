cwlVersion: v1.2
$graph:
  - class: Workflow
    id: literal
    label: Literal
    doc: Gives its input back, as a literal result
    requirements: {InlineJavascriptRequirement: {}}
    inputs:
      given: string[]
    outputs:
      result: {type: string, outputSource: give/result}
    steps:
      give:
        run: "#give"
        in: {given: given}
        out: [result]
  - class: CommandLineTool
    id: give
    baseCommand: "true"
    requirements: {InlineJavascriptRequirement: {}}
    inputs:
      given: string[]
    outputs:
      result: {type: string, outputBinding: {outputEval: "$(inputs.given[0])"}}
