# A step that runs only when asked to, and an output that is whichever of two steps ran.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: conditional
    label: Conditional
    doc: Writes the message, in capitals when `loud` is true.
    requirements:
      MultipleInputFeatureRequirement: {}
    inputs:
      message: string
      loud:
        type: boolean
        default: false
    outputs:
      text:
        type: File
        outputSource: [capitals/text, plain/text]
        pickValue: first_non_null
      loud_text:
        doc: Null when the step did not run.
        type: File?
        outputSource: capitals/text
    steps:
      plain:
        run: "#plain"
        in: {message: message}
        out: [text]
      capitals:
        run: "#capitals"
        when: $(inputs.loud)
        in: {source: plain/text, loud: loud}
        out: [text]

  - class: CommandLineTool
    id: plain
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: echo
    stdout: plain.txt
    inputs:
      message:
        type: string
        inputBinding: {position: 1}
    outputs:
      text:
        type: stdout

  - class: CommandLineTool
    id: capitals
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [tr, a-z, A-Z]
    stdin: $(inputs.source.path)
    stdout: capitals.txt
    inputs:
      source: File
    outputs:
      text:
        type: stdout
