# A workflow whose step is a workflow of two steps.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: subworkflow
    label: Subworkflow
    doc: Sorts the lines of a file and counts how often each occurs, in a workflow within the workflow.
    requirements:
      SubworkflowFeatureRequirement: {}
    inputs:
      source: File
    outputs:
      counts:
        type: File
        outputSource: tally/counts
    steps:
      tally:
        run: "#tally"
        in: {source: source}
        out: [counts]

  - class: Workflow
    id: tally
    inputs:
      source: File
    outputs:
      counts:
        type: File
        outputSource: count/counts
    steps:
      sort:
        run: "#sort"
        in: {source: source}
        out: [sorted]
      count:
        run: "#count"
        in: {sorted: sort/sorted}
        out: [counts]

  - class: CommandLineTool
    id: sort
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: sort
    stdout: sorted.txt
    inputs:
      source:
        type: File
        inputBinding: {position: 1}
    outputs:
      sorted:
        type: stdout

  - class: CommandLineTool
    id: count
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [uniq, -c]
    stdout: counts.txt
    inputs:
      sorted:
        type: File
        inputBinding: {position: 1}
    outputs:
      counts:
        type: stdout
