# Reads the files of a STAC scene that was staged in; the result is their text.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: scene
    inputs:
      scene: Directory
    outputs:
      text: {type: File, outputSource: read/text}
    steps:
      read:
        run: "#read-scene"
        in: {scene: scene}
        out: [text]

  - class: CommandLineTool
    id: read-scene
    # little enough for a node of two cores that has other jobs
    requirements:
      ResourceRequirement: {coresMin: 0.1, ramMin: 64}
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [sh, -c, 'echo "reading a" >&2; test -f "$0/catalog.json"; find "$0/" -name "*.txt" -exec cat {} +']
    stdout: scene.txt
    inputs:
      scene: {type: Directory, inputBinding: {position: 1}}
    outputs:
      text: stdout
