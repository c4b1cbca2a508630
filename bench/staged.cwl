# One step that looks at one staged STAC item: what stage-in and stage-out cost beside the smallest step.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: staged
    label: Staged
    doc: Lists the files of the item.
    inputs:
      item: {type: Directory, label: Item, doc: A STAC item.}
    outputs:
      list: {type: File, outputSource: look/list}
    steps:
      look:
        run: "#look"
        in: {item: item}
        out: [list]
  - class: CommandLineTool
    id: look
    requirements:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
      ResourceRequirement: {coresMin: 1, coresMax: 1, ramMin: 64, ramMax: 128}
    baseCommand: [find]
    stdout: list.txt
    inputs:
      item: {type: Directory, inputBinding: {position: 1}}
    outputs:
      list: {type: stdout}
