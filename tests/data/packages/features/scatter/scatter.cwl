# The three ways to scatter over two arrays, scatter over one, and over an empty one.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: scatter
    requirements:
      ScatterFeatureRequirement: {}
    inputs:
      letters: string[]
      numbers: int[]
      none: string[]
    outputs:
      pairs: {type: 'string[]', outputSource: dot/text}
      table: {type: {type: array, items: {type: array, items: string}}, outputSource: nested/text}
      row: {type: 'string[]', outputSource: flat/text}
      single: {type: 'string[]', outputSource: one/text}
      nothing: {type: 'string[]', outputSource: empty/text}
    steps:
      dot:
        run: "#pair"
        scatter: [letter, number]
        scatterMethod: dotproduct
        in: {letter: letters, number: numbers}
        out: [text]
      nested:
        run: "#pair"
        scatter: [letter, number]
        scatterMethod: nested_crossproduct
        in: {letter: letters, number: numbers}
        out: [text]
      flat:
        run: "#pair"
        scatter: [letter, number]
        scatterMethod: flat_crossproduct
        in: {letter: letters, number: numbers}
        out: [text]
      one:
        run: "#pair"
        scatter: letter
        in: {letter: letters, number: {default: 7}}
        out: [text]
      empty:
        run: "#pair"
        scatter: letter
        in: {letter: none, number: {default: 7}}
        out: [text]

  - class: CommandLineTool
    id: pair
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [printf, '%s%s']
    stdout: pair.txt
    inputs:
      letter: {type: string, inputBinding: {position: 1}}
      number: {type: int, inputBinding: {position: 2}}
    outputs:
      text:
        type: string
        outputBinding: {glob: pair.txt, loadContents: true, outputEval: '$(self[0].contents)'}
