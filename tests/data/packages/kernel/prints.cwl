# Prints so many lines, the first and the last with letters outside of ASCII, signs of printf and of terminals.
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: prints
    label: Prints
    doc: Prints many lines.
    inputs:
      count: {type: int, label: Count, doc: How many lines to print.}
    outputs:
      result: {type: int, outputSource: print/result, label: Result, doc: The count.}
    steps:
      print: {run: "#print", in: {count: count}, out: [result]}
  - class: CommandLineTool
    id: print
    requirements: {InlineJavascriptRequirement: {}}
    baseCommand: [sh, -c, 'printf "\033[1mérste ✓ 50%% %%s <b>\033[0m\n"; seq "$0"; echo "dernière ✓"']
    inputs:
      count: {type: int, inputBinding: {position: 1}}
    outputs:
      result: {type: int, outputBinding: {outputEval: $(inputs.count)}}
