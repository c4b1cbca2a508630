# Returns its inputs: for test suites of OGC API - Processes, which want a process with inputs of all kinds.
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:softwareVersion: 1.0.0
$graph:
  - class: Workflow
    id: EchoProcess
    label: Echo
    doc: Returns each input as the output of the same kind, after a pause.
    requirements:
      InlineJavascriptRequirement: {}
    inputs:
      stringInput: {label: Text, doc: Any text., type: string}
      integerInput: {label: Whole number, doc: Any whole number., type: "long?"}
      doubleInput: {label: Number, doc: Any number., type: "double?"}
      booleanInput: {label: Yes or no, doc: True or false., type: "boolean?"}
      arrayInput: {label: Numbers, doc: "Whole numbers, as one value.", type: "long[]", default: [1, 2, 3]}
      objectInput:
        label: Object
        doc: A text and its language.
        type:
          - "null"
          - {type: record, name: Text, fields: {value: string, language: "string?"}}
      boundingBoxInput:
        label: Bounding box
        doc: A bounding box in any coordinate reference system.
        type:
          - "null"
          - {type: record, name: BoundingBox, fields: {bbox: "double[]", crs: "string?"}}
      fileInput: {label: File, doc: "A file or folder, by value or by reference.", type: ["null", File, Directory]}
      pause: {label: Pause, doc: Seconds to wait., type: long, default: 0}
    outputs:
      stringOutput: {label: Text, doc: The text., type: string, outputSource: return/stringOutput}
      integerOutput: {label: Whole number, doc: The whole number., type: "long?", outputSource: return/integerOutput}
      doubleOutput: {label: Number, doc: The number., type: "double?", outputSource: return/doubleOutput}
      booleanOutput: {label: Yes or no, doc: True or false., type: "boolean?", outputSource: return/booleanOutput}
      arrayOutput: {label: Numbers, doc: The numbers., type: "long[]", outputSource: return/arrayOutput}
      objectOutput: {label: Object, doc: The object., type: "Any?", outputSource: return/objectOutput}
      boundingBoxOutput: {label: Bounding box, doc: The box., type: "Any?", outputSource: return/boundingBoxOutput}
      fileOutput: {label: File, doc: The file., type: ["null", File, Directory], outputSource: return/fileOutput}
    steps:
      wait:
        run: "#wait"
        when: $(inputs.seconds > 0)
        in: {seconds: pause}
        out: [waited]
      return:
        run: "#return"
        in:
          waited: wait/waited
          stringInput: stringInput
          integerInput: integerInput
          doubleInput: doubleInput
          booleanInput: booleanInput
          arrayInput: arrayInput
          objectInput: objectInput
          boundingBoxInput: boundingBoxInput
          fileInput: fileInput
        out:
          - stringOutput
          - integerOutput
          - doubleOutput
          - booleanOutput
          - arrayOutput
          - objectOutput
          - boundingBoxOutput
          - fileOutput

  - class: CommandLineTool
    id: wait
    hints:
      DockerRequirement: {dockerPull: "docker.io/library/debian:bookworm-slim"}
    requirements:
      ResourceRequirement: {coresMax: 1, ramMax: 64}
    baseCommand: sleep
    stdout: waited.txt
    inputs:
      seconds: {type: long, inputBinding: {position: 1}}
    outputs:
      waited: {type: stdout}

  - class: ExpressionTool
    id: return
    requirements:
      InlineJavascriptRequirement: {}
    inputs:
      waited: "File?"
      stringInput: string
      integerInput: "long?"
      doubleInput: "double?"
      booleanInput: "boolean?"
      arrayInput: "long[]"
      objectInput: "Any?"
      boundingBoxInput: "Any?"
      fileInput: ["null", File, Directory]
    outputs:
      stringOutput: string
      integerOutput: "long?"
      doubleOutput: "double?"
      booleanOutput: "boolean?"
      arrayOutput: "long[]"
      objectOutput: "Any?"
      boundingBoxOutput: "Any?"
      fileOutput: ["null", File, Directory]
    expression: |
      ${
        function leaveOutNull(value) {
          if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
          var kept = {};
          Object.keys(value).forEach(function (name) { if (value[name] !== null) kept[name] = value[name]; });
          return kept;
        }
        var found = {};
        ["string", "integer", "double", "boolean", "array", "object", "boundingBox", "file"].forEach(function (kind) {
          found[kind + "Output"] = leaveOutNull(inputs[kind + "Input"]);
        });
        return found;
      }
