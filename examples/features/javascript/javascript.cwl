# JavaScript where a parameter reference cannot say it; an engine needs a JavaScript interpreter (node) for this one.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: javascript
    label: JavaScript
    doc: Counts the words of a text and says whether there are more than the limit.
    requirements:
      InlineJavascriptRequirement: {}
      StepInputExpressionRequirement: {}
    inputs:
      text: string
      limit:
        type: int
        default: 3
    outputs:
      words:
        type: int
        outputSource: count/words
      verdict:
        type: string
        outputSource: judge/verdict
    steps:
      count:
        run: "#count"
        in:
          text:
            source: text
            valueFrom: $(self.trim())
        out: [words]
      judge:
        run: "#judge"
        in: {words: count/words, limit: limit}
        out: [verdict]

  - class: CommandLineTool
    id: count
    requirements:
      InlineJavascriptRequirement: {}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, -c, 'printf "%s" "$0" | wc -w']
    stdout: count.txt
    inputs:
      text:
        type: string
        inputBinding: {position: 1}
    outputs:
      words:
        type: int
        outputBinding:
          glob: count.txt
          loadContents: true
          outputEval: $(parseInt(self[0].contents, 10))

  - class: ExpressionTool
    id: judge
    requirements:
      InlineJavascriptRequirement: {}
    inputs:
      words: int
      limit: int
    outputs:
      verdict: string
    expression: |
      ${
        var verdict = inputs.words > inputs.limit ? "long" : "short";
        return {verdict: verdict};
      }
