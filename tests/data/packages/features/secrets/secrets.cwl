# A secret input (cwltool's extension) goes through a workflow to a tool that prints it, which no log shows.
cwlVersion: v1.2
$namespaces: {cwltool: 'http://commonwl.org/cwltool#'}
$graph:
  - class: Workflow
    id: secrets
    inputs: {password: string, user: string}
    outputs:
      length: {type: int, outputSource: login/length}
    steps:
      login: {run: '#login', in: {word: password, user: user}, out: [length]}

  - class: CommandLineTool
    id: login
    requirements:
      cwltool:Secrets: {secrets: [word]}
    hints:
      DockerRequirement: {dockerPull: docker.io/library/debian:bookworm-slim}
    baseCommand: [sh, -c, 'echo "$0 logs in with $1"; printf "{\"length\": %d}" "${#1}" > cwl.output.json']
    inputs:
      user: {type: string, inputBinding: {position: 1}}
      word: {type: string, inputBinding: {position: 2}}
    outputs: {length: int}
