"""A WorkflowTemplate that counts, and what its jobs get: the same for each way in which templates are executed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import JOB_IMAGE
from tests.live.hera_site import HeraSite

TEMPLATE = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata:
  name: NAME
  annotations:
    workflows.argoproj.io/title: Count
    zoo-runner/types: "{total: int, folder: Directory, ended: string}"
spec:
  entrypoint: all
  onExit: leave
  artifactRepositoryRef: {configMap: STORE, key: repository}
  arguments:
    parameters:
    - {name: scene, description: Scene to count}
    - {name: number, value: "3"}
    - {name: bands, value: '["B04", "B08"]'}
    - {name: mode, enum: [fast, wait, fail], value: fast}
  templates:
  - name: all
    dag:
      tasks:
      - name: count
        template: count
        arguments:
          parameters: [{name: bands, value: "{{workflow.parameters.bands}}"}]
    outputs:
      parameters: [{name: total, valueFrom: {parameter: "{{tasks.count.outputs.parameters.total}}"}}]
      artifacts:
      - {name: map, from: "{{tasks.count.outputs.artifacts.map}}"}
      - {name: folder, from: "{{tasks.count.outputs.artifacts.folder}}"}
  - name: count
    inputs: {parameters: [{name: bands}]}
    container:
      image: IMAGE
      command: [sh, -c]
      args:
      - |
        echo "counting $0 with $1"
        case "$3" in
          fail) echo "no band 9"; exit 3;;
          wait) while :; do sleep 0.2; done;;
        esac
        mkdir /tmp/folder
        echo "$0" >/tmp/map.txt
        echo inside >/tmp/folder/inside.txt
        echo $(($2 * 2)) >/tmp/total
      - "{{workflow.parameters.scene}}"
      - "{{inputs.parameters.bands}}"
      - "{{workflow.parameters.number}}"
      - "{{workflow.parameters.mode}}"
    outputs:
      parameters: [{name: total, valueFrom: {path: /tmp/total}}]
      artifacts:
      - {name: map, path: /tmp/map.txt, archive: {none: {}}}
      - {name: folder, path: /tmp/folder}
  - name: leave
    container: {image: IMAGE, command: [sh, -c, "echo {{workflow.status}} >/tmp/ended"]}
    outputs: {parameters: [{name: ended, valueFrom: {path: /tmp/ended}}]}
"""
SCENE = "S2A 'x\" ${HOME} }} ü"
INPUTS = {"scene": SCENE, "number": 21, "bands": ["{{workflow.name}}"]}


@contextmanager
def applied(scientist: HeraSite, text: str, store: str) -> Iterator[str]:
    """Have a template; its name."""
    name = f"count-{time.time_ns()}"
    with scientist.applied(text.replace("NAME", name).replace("STORE", store).replace("IMAGE", JOB_IMAGE)):
        yield name
