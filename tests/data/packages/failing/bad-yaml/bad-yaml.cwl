# Not YAML: the bracket of line 5 is never closed.
cwlVersion: v1.2
class: CommandLineTool
id: bad-yaml
baseCommand: [echo, hello
inputs: []
outputs: []
