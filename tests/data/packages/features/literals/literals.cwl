# Files and folders that an expression writes (literals): into a step, into another expression, and as results.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: literals
    requirements: {InlineJavascriptRequirement: {}}
    inputs: {name: string}
    outputs:
      metadata: {type: File, outputSource: write/metadata}
      counted: {type: int, outputSource: count/lines}
      listed: {type: 'string[]', outputSource: look/names}
      text: {type: string, outputSource: read/text}
    steps:
      write: {run: "#write", in: {name: name}, out: [metadata, folder]}
      count: {run: "#count", in: {metadata: write/metadata}, out: [lines]}
      look: {run: "#look", in: {folder: write/folder}, out: [names]}
      read: {run: "#read", in: {metadata: write/metadata}, out: [text]}

  - class: ExpressionTool
    id: write
    requirements: {InlineJavascriptRequirement: {}}
    inputs: {name: string}
    outputs: {metadata: File, folder: Directory}
    expression: |
      ${
        var text = JSON.stringify({name: inputs.name}) + "\n";
        return {
          metadata: {class: "File", basename: "metadata.json", contents: text},
          folder: {class: "Directory", basename: "made", listing: [
            {class: "File", basename: "a.json", contents: text},
            {class: "Directory", basename: "below", listing: [{class: "File", basename: "b.json", contents: text}]}
          ]}
        };
      }

  - class: CommandLineTool
    id: count
    requirements: {InlineJavascriptRequirement: {}}
    baseCommand: [wc, -l]
    inputs: {metadata: {type: File, inputBinding: {}}}
    stdout: lines.txt
    outputs:
      lines: {type: int, outputBinding: {glob: lines.txt, loadContents: true, outputEval: "$(parseInt(self[0].contents))"}}

  - class: CommandLineTool
    id: look
    requirements: {InlineJavascriptRequirement: {}}
    baseCommand: [sh, -c, 'cd "$0" && find . -type f | sort']
    inputs: {folder: {type: Directory, inputBinding: {}}}
    stdout: names.txt
    outputs:
      names:
        type: 'string[]'
        outputBinding: {glob: names.txt, loadContents: true, outputEval: '$(self[0].contents.trim().split("\n"))'}

  - class: ExpressionTool
    id: read
    requirements: {InlineJavascriptRequirement: {}}
    inputs: {metadata: {type: File, loadContents: true}}
    outputs: {text: string}
    expression: '${ return {text: JSON.parse(inputs.metadata.contents).name}; }'
