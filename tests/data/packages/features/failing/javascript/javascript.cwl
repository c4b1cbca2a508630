# JavaScript that a parameter reference cannot replace.
cwlVersion: v1.2
class: ExpressionTool
id: javascript
requirements: {InlineJavascriptRequirement: {}}
inputs: {number: int}
outputs: {twice: int}
expression: '${ return {twice: inputs.number * 2}; }'
