# An application package (OGC 20-089) in one $graph: a Workflow and the two tools that its steps run.
# The tools' programs stand beside it and are part of it: `cwltool --pack` makes one file of all.
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:name: Vegetation series
s:softwareVersion: 1.0.0
s:description: Vegetation index with cloud mask over several dates of one place, as maps, time series and chart.
s:keywords: [vegetation, NDVI, EVI2, NDMI, time series, Landsat, Fmask]
s:license: https://spdx.org/licenses/Apache-2.0
s:dateCreated: "2026-11-23"
s:author:
  - class: s:Organization
    s:name: zoo-runner maintainers
$graph:
  - class: Workflow
    id: vegetation-series
    label: Vegetation series
    doc: |
      Computes a vegetation index for each item, with cloud, shadow and snow masked by its Fmask band, and puts the
      dates together: a table with the median of the clear pixels, a chart, and a STAC catalog of all results.
      The items must show the same place; each needs the assets red, nir and fmask (for ndmi: nir, swir16 and fmask).
    requirements:
      ScatterFeatureRequirement: {}
    inputs:
      items:
        label: Scenes
        doc: STAC items, one per date, in any order.
        type: Directory[]
      index:
        label: Index
        doc: |
          ndvi: (nir - red) / (nir + red).
          evi2: 2.5 (nir - red) / (nir + 2.4 red + 1), which saturates later in dense vegetation.
          ndmi: (nir - swir16) / (nir + swir16), the water in the leaves.
        type:
          type: enum
          symbols: [ndvi, evi2, ndmi]
        default: ndvi
      place:
        label: Place
        doc: Follows the name of the index in the chart's title, such as "of a forest in Colorado".
        type: string?
    outputs:
      results:
        label: Results
        doc: STAC catalog with an item per date (raster, quicklook, statistics) and one of the series (CSV, chart).
        type: Directory
        outputSource: series/results
    steps:
      per-date:
        label: Index of one date
        run: "#index"
        scatter: item
        in:
          item: items
          index: index
        out: [scene]
      series:
        label: Series of all dates
        run: "#series"
        in:
          scenes: per-date/scene
          place: place
        out: [results]

  - class: CommandLineTool
    id: index
    label: Vegetation index of one item
    doc: Masked index as cloud-optimised GeoTIFF with quicklook, statistics and the STAC item about them.
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: index.py
            entry: {$include: index.py}
      ResourceRequirement:
        coresMin: 1
        coresMax: 1
        ramMin: 512
        ramMax: 1024
        tmpdirMin: 64
        outdirMin: 256
    hints:
      DockerRequirement:
        dockerPull: docker.io/zoo-runner/eo-tools:1
    baseCommand: [python3, index.py]
    inputs:
      item:
        type: Directory
        inputBinding: {position: 1}
      index:
        type:
          type: enum
          symbols: [ndvi, evi2, ndmi]
        inputBinding: {position: 2}
    outputs:
      scene:
        type: Directory
        outputBinding: {glob: scenes/*}

  - class: CommandLineTool
    id: series
    label: Time series of all dates
    doc: Table, chart and STAC catalog of what the tool `index` wrote for each date.
    requirements:
      InitialWorkDirRequirement:
        listing:
          - entryname: series.py
            entry: {$include: series.py}
      ResourceRequirement:
        coresMin: 1
        coresMax: 1
        ramMin: 512
        ramMax: 1024
        tmpdirMin: 64
        outdirMin: 256
    hints:
      DockerRequirement:
        dockerPull: docker.io/zoo-runner/eo-tools:1
    baseCommand: [python3, series.py]
    inputs:
      place:
        type: string?
        inputBinding: {position: 1, prefix: --place}
      scenes:
        type: Directory[]
        inputBinding: {position: 2}
    outputs:
      results:
        type: Directory
        outputBinding: {glob: results}
