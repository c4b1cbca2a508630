# Steps that run or not, choices among their outputs, several sources for one input, expressions on step inputs.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: choices
    requirements:
      MultipleInputFeatureRequirement: {}
      StepInputExpressionRequirement: {}
      ScatterFeatureRequirement: {}
    inputs:
      yes: boolean
      no: boolean
      words: string[]
      flags: boolean[]
      thing: Any
    outputs:
      first: {type: string, outputSource: [skipped-step/text, runs/text, also/text], pickValue: first_non_null}
      only: {type: string, outputSource: [skipped-step/text, runs/text], pickValue: the_only_non_null}
      all: {type: 'string[]', outputSource: [also/text, skipped-step/text, runs/text], pickValue: all_non_null}
      skipped: {type: string?, outputSource: skipped-step/text}
      some: {type: 'string[]', outputSource: some-step/text, pickValue: all_non_null}
      nested: {type: string, outputSource: nested-step/text}
      flattened: {type: string, outputSource: flattened-step/text}
      expression: {type: string, outputSource: expression-step/text}
      same: {type: Any, outputSource: thing}
    steps:
      runs:
        run: "#tell"
        when: $(inputs.run)
        in: {run: yes, words: {default: [runs]}}
        out: [text]
      also:
        run: "#tell"
        when: $(inputs.run)
        in: {run: yes, words: {default: [also]}}
        out: [text]
      skipped-step:
        run: "#tell"
        when: $(inputs.run)
        in: {run: no, words: {default: [skipped]}}
        out: [text]
      some-step:
        run: "#tell"
        when: $(inputs.run)
        scatter: [run, words]
        scatterMethod: dotproduct
        in:
          run: flags
          words: words
        out: [text]
      nested-step:
        run: "#count"
        in: {words: {source: [words, words], linkMerge: merge_nested}}
        out: [text]
      flattened-step:
        run: "#count"
        in: {words: {source: [words, words], linkMerge: merge_flattened}}
        out: [text]
      expression-step:
        run: "#tell"
        in:
          other: words
          words: {valueFrom: '$(inputs.other)'}
        out: [text]

  - class: CommandLineTool
    id: tell
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [printf, '%s']
    stdout: text.txt
    inputs:
      words: {type: ['string[]', string], inputBinding: {position: 1, itemSeparator: ','}}
    outputs:
      text:
        type: string
        outputBinding: {glob: text.txt, loadContents: true, outputEval: '$(self[0].contents)'}

  - class: CommandLineTool
    id: count
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [printf, '%s']
    arguments: ['$(inputs.words.length)']
    stdout: text.txt
    inputs:
      words: Any
    outputs:
      text:
        type: string
        outputBinding: {glob: text.txt, loadContents: true, outputEval: '$(self[0].contents)'}
