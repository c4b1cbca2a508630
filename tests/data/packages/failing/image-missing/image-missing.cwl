# The image is required (not a hint) and no registry has it.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: image-missing
    inputs: {}
    outputs:
      text: {type: File, outputSource: run/text}
    steps:
      run:
        run: "#tool"
        in: {}
        out: [text]

  - class: CommandLineTool
    id: tool
    requirements:
      DockerRequirement:
        dockerPull: docker.io/zoo-runner/does-not-exist:1
    baseCommand: [echo, hello]
    stdout: text.txt
    inputs: {}
    outputs:
      text: stdout
