# An ExpressionTool as the package: no command runs at all.
cwlVersion: v1.0
class: ExpressionTool
id: expression-entry
requirements: {InlineJavascriptRequirement: {}}
inputs: {number: int}
outputs:
  twice: int
  folder: Directory
expression: |
  ${
    return {
      twice: inputs.number * 2,
      folder: {class: "Directory", basename: "folder",
               listing: [{class: "File", basename: "a.txt", contents: "made by an expression\n"}]}
    };
  }
