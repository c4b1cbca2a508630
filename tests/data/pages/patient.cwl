cwlVersion: v1.2
class: CommandLineTool
id: patient
label: A step that takes its time
doc: Its time limit is too short for the first run.
requirements: {ToolTimeLimit: {timelimit: 1}}
inputs:
  image: {type: File?, label: Image, format: https://www.iana.org/assignments/media-types/image/tiff}
  scene: {type: Directory?, label: Scene}
baseCommand: [sh, -c, "echo begun; sleep 3; echo done > text.txt"]
outputs:
  text: {type: File, outputBinding: {glob: text.txt}}
