# A $graph of CWL v1.1 whose first entry is a tool; the workflow is not called "main" and names have hyphens.
cwlVersion: v1.1
$namespaces:
  s: https://schema.org/
s:softwareVersion: 1.2.3
$graph:
  - class: CommandLineTool
    id: count-words
    hints:
      DockerRequirement:
        dockerPull: docker.io/library/debian:bookworm-slim
    baseCommand: [wc, -w]
    stdin: $(inputs['source-text'].path)
    stdout: word-count.txt
    inputs:
      source-text: File
    outputs:
      word-count:
        type: stdout

  - class: Workflow
    id: main-workflow
    label: Hyphens
    doc: Counts the words of a text.
    inputs:
      source-text: File
    outputs:
      word-count:
        type: File
        outputSource: count-step/word-count
    steps:
      count-step:
        run: "#count-words"
        in:
          source-text: source-text
        out: [word-count]
