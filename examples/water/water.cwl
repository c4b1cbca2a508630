# An application package (OGC 20-089). The tool gives its outputs in cwl.output.json, so that a number can be an
# output without any JavaScript.
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:name: Water
s:softwareVersion: 1.0.0
s:description: Water by NDWI in one optical scene, with its share of the scene.
s:keywords: [water, NDWI, Sentinel-2, Landsat]
s:license: https://spdx.org/licenses/Apache-2.0
s:dateCreated: "2026-11-23"
s:author:
  - class: s:Organization
    s:name: zoo-runner maintainers
$graph:
  - class: Workflow
    id: water
    label: Water
    doc: |
      Finds open water by the normalised difference water index, (green - nir) / (green + nir), above a threshold.
      The item needs the assets green and nir; with red and blue there is a true colour picture too.
      No cloud is masked: thin cloud lowers the index, cloud shadow raises it.
    inputs:
      item:
        label: Scene
        doc: STAC item of one optical scene.
        type: Directory
      threshold:
        label: Threshold
        doc: Pixels with an index above this count as water (no unit, from -1 to 1).
        type: float
        default: 0.0
    outputs:
      results:
        label: Results
        doc: STAC catalog of one item with the index, the water mask, a quicklook and the numbers.
        type: Directory
        outputSource: detect/results
      water_fraction:
        label: Share of water
        doc: Water pixels by observed pixels, from 0 to 1.
        type: float
        outputSource: detect/water_fraction
    steps:
      detect:
        label: Detect water
        run: "#detect"
        in:
          item: item
          threshold: threshold
        out: [results, water_fraction]

  - class: CommandLineTool
    id: detect
    label: Water of one item
    doc: Index and mask as cloud-optimised GeoTIFFs, quicklook, numbers and the STAC catalog of them.
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: water.py
            entry: {$include: water.py}
          - entryname: picture.py
            entry: {$include: picture.py}
      ResourceRequirement:
        coresMin: 1
        coresMax: 1
        ramMin: 1024
        ramMax: 2048
        tmpdirMin: 64
        outdirMin: 256
    hints:
      DockerRequirement:
        dockerPull: docker.io/zoo-runner/eo-tools:1
    baseCommand: [python3, water.py]
    inputs:
      item:
        type: Directory
        inputBinding: {position: 1}
      threshold:
        type: float
        inputBinding: {position: 2}
    outputs:
      results:
        type: Directory
      water_fraction:
        type: float
