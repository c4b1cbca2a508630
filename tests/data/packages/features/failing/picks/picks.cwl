# Choices that cannot be made: nothing to choose from, or two where only one may be.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: picks
    requirements: {MultipleInputFeatureRequirement: {}}
    inputs: {a: boolean, b: boolean}
    outputs:
      only: {type: string, outputSource: [one/text, other/text], pickValue: the_only_non_null}
    steps:
      one: {run: '#tell', when: $(inputs.run), in: {run: a}, out: [text]}
      other: {run: '#tell', when: $(inputs.run), in: {run: b}, out: [text]}

  - class: CommandLineTool
    id: tell
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [printf, text]
    stdout: text.txt
    inputs: {run: boolean}
    outputs:
      text:
        type: string
        outputBinding: {glob: text.txt, loadContents: true, outputEval: '$(self[0].contents)'}
