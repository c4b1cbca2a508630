#!/usr/bin/env cwl-runner
cwlVersion: v1.2
class: CommandLineTool
id: stage-in
label: Bring a STAC Item, Collection or Catalog to local disk
doc: |
  For platforms that run stage-in as a CWL tool of its own. The folder that comes out holds a catalog.json,
  one folder per item with its JSON and assets, and relative links only.

  Settings come from the environment (`stagein --help` names them), never from inputs, where they would be
  logged: let the runner pass them on, for example
  `cwltool --preserve-environment STAGEIN_AWS_SECRET_ACCESS_KEY … stagein.cwl --reference https://…`.
hints:
  # built from deploy/stager/Dockerfile with STAGER=stagein
  DockerRequirement:
    dockerPull: zoo-runner/stagein:0.1.0
requirements:
  NetworkAccess:
    networkAccess: true
baseCommand: stagein
arguments: [--output-folder, staged, --]
inputs:
  reference:
    type: string
    doc: Address of the STAC document (http, https, s3), or an s3:// folder that ends in a slash.
    inputBinding:
      position: 1
outputs:
  staged:
    type: Directory
    outputBinding:
      glob: staged
