#!/usr/bin/env cwl-runner
cwlVersion: v1.2
class: CommandLineTool
id: stage-out
label: Put a folder of results into a bucket, as STAC
doc: |
  For platforms that run stage-out as a CWL tool of its own. `stac_catalog` is the folder that the workflow made;
  without a catalog.json in it, its files get a STAC Item. The collection of the results lies at
  s3://<s3_bucket>/<sub_path>/collection.json; `s3_catalog_output` is the catalog that came with the folder, or
  that collection when none did.

  Endpoint and keys come from the environment (`stageout --help` names them), never from inputs, where they would
  be logged: let the runner pass them on, for example
  `cwltool --preserve-environment STAGEOUT_AWS_SECRET_ACCESS_KEY … stageout.cwl --s3_bucket results …`.
hints:
  # built from deploy/stager/Dockerfile with STAGER=stageout
  DockerRequirement:
    dockerPull: zoo-runner/stageout:0.1.0
requirements:
  NetworkAccess:
    networkAccess: true
baseCommand: stageout
arguments: [--format, cwl, --destination, s3://$(inputs.s3_bucket)/$(inputs.sub_path)]
inputs:
  s3_bucket:
    type: string
    doc: Name of the bucket.
  sub_path:
    type: string
    doc: Prefix in the bucket, for example the id of the job.
  stac_catalog:
    type: Directory
    doc: The results.
    inputBinding:
      position: 1
  job_id:
    type: string?
    doc: Id of the job, for the ids of STAC documents.
    inputBinding:
      prefix: --job-id
  workflow_id:
    type: string?
    doc: Id of the workflow, likewise.
    inputBinding:
      prefix: --workflow-id
stdout: cwl.output.json
outputs:
  s3_catalog_output:
    type: string
