cwlVersion: v1.2
$namespaces: {s: https://schema.org/}
s:softwareVersion: 2.1.0
s:keywords: [vegetation, sentinel-2]
$graph:
  - class: Workflow
    id: scene
    label: Vegetation of a scene
    doc: |
      Computes a vegetation index for each band pair of a scene and joins them into one table.
      Clouds are left out.
    requirements: {ScatterFeatureRequirement: {}}
    inputs:
      area: {type: string, label: Name of the area, default: Alps}
      index:
        type: {type: enum, symbols: [ndvi, evi, savi]}
        label: Index
        doc: Which vegetation index is computed.
      seconds: {type: "int[]", label: Seconds of each part, default: [3, 2, 1]}
      clouds: {type: float?, label: Most clouds, doc: Percent of a scene, default: 20.5}
      check: {type: boolean, label: Check the result, default: true}
      fail: {type: boolean, default: false}
      mask: {type: File?, label: Mask}
      bounds:
        label: Bounds
        type:
          - "null"
          - type: record
            name: box
            fields: {west: double, east: double}
    outputs:
      table: {type: File, outputSource: join/table}
    steps:
      compute:
        run: "#compute"
        scatter: seconds
        in: {seconds: seconds, index: index}
        out: [part]
      join:
        run: "#join"
        in: {parts: compute/part, fail: fail}
        out: [table]
  - class: CommandLineTool
    id: compute
    requirements:
      ResourceRequirement: {coresMin: 1, ramMin: 256}
    baseCommand: [sh, -c]
    arguments:
      - 'echo "computing $1 for $0 s"; i=0; while [ $i -lt 40 ]; do i=`expr $i + 1`; printf "\033[2mrow $i of 40\033[22m \033[32mdone\033[0m\n"; sleep 0.0$0; done; printf "\033[30;43m WARNING \033[0m \033[33m3 pixels have no value\033[0m\n" >&2; echo "$1,$0" > part.csv'
      - $(inputs.seconds)
      - $(inputs.index)
    inputs: {seconds: int, index: {type: {type: enum, symbols: [ndvi, evi, savi]}}}
    outputs: {part: {type: File, outputBinding: {glob: part.csv}}}
  - class: CommandLineTool
    id: join
    requirements:
      ResourceRequirement: {coresMin: 2, ramMin: 512}
    baseCommand: [sh, -c]
    arguments:
      - 'echo "joining $# parts"; if [ "$0" = fail-true ]; then echo "Traceback (most recent call last):" >&2; echo "  File \"join.py\", line 12, in main" >&2; printf "\033[1;31mValueError\033[0m: part 2 has no column ndvi\n" >&2; exit 3; fi; cat "$@" > table.csv; sleep 1'
      - fail-$(inputs.fail)
      - $(inputs.parts)
    inputs: {parts: "File[]", fail: boolean}
    outputs: {table: {type: File, outputBinding: {glob: table.csv}}}
