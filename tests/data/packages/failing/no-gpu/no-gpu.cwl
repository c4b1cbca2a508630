# A step asks for a GPU.
cwlVersion: v1.2
$namespaces: {cwltool: 'http://commonwl.org/cwltool#'}
$graph:
  - class: Workflow
    id: no-gpu
    inputs: {}
    outputs: {}
    steps:
      run: {run: '#tool', in: {}, out: []}

  - class: CommandLineTool
    id: tool
    requirements:
      cwltool:CUDARequirement: {cudaVersionMin: '12.0', cudaComputeCapability: '8.0'}
    hints:
      DockerRequirement: {dockerPull: 'docker.io/library/debian:bookworm-slim'}
    baseCommand: 'true'
    inputs: {}
    outputs: {}
