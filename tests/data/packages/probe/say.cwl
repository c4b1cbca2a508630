# Says a word on standard error and in its result, and ends with the code asked for.
cwlVersion: v1.2
class: CommandLineTool
id: say
baseCommand: [sh, -c, 'echo "$0" >&2; echo "{\"said\": \"$0\"}" > cwl.output.json; exit $1']
inputs:
  word: {type: string, inputBinding: {position: 1}}
  code: {type: int, default: 0, inputBinding: {position: 2}}
outputs:
  said: string
