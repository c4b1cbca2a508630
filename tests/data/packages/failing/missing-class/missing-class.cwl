# Invalid CWL: no class says whether this is a Workflow or a CommandLineTool.
cwlVersion: v1.2
id: missing-class
baseCommand: [echo, hello]
stdout: text.txt
inputs: {}
outputs:
  text: stdout
